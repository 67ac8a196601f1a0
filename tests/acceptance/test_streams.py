"""Many APDUs on one connection, in any pieces, and many connections at once."""

import random
from contextlib import ExitStack
from typing import Final

import pytest

from asn1.codec import decode, encode
from asn1.ill import ILLApdu, ILLRequest, StatusOrErrorReport
from tests.support import corpus
from tests.support.apdus import cancel, ill_request, status_query
from tests.support.daemon import ONE_WAY, TWO_WAY, RunningDaemon

SEED: Final = 20261122


def a_thousand() -> list[bytes]:
    """Give 1,000 different APDUs of all types, as libyaz writes them, in definite lengths and otherwise."""
    samples = (*corpus.samples("yaz"), *corpus.samples("yaz-enums"))
    octets = [
        *(one.octets for one in samples),
        *(one.octets for one in corpus.variants()),
        *(one.definite for one in samples if one.definite is not None),
        *(encode(cancel(ill_request(transaction=f"unheard of {number}"))) for number in range(400)),
    ]
    chosen = list(dict.fromkeys(octets))[:1_000]
    random.Random(SEED).shuffle(chosen)  # noqa: S311 - no secret
    assert len(chosen) == 1_000
    return chosen


@pytest.mark.slow
def test_a_thousand_apdus_in_random_fragments_are_read_as_the_same_thousand(gateway: RunningDaemon) -> None:
    apdus = a_thousand()
    stream = b"".join(apdus)
    lengths = random.Random(SEED)  # noqa: S311 - no secret
    before = gateway.installation.last_message()
    with gateway.connect(ONE_WAY) as peer:
        position = 0
        while position < len(stream):
            # Often within a header, sometimes over several APDUs.
            end = position + lengths.choice((1, 2, 3, lengths.randint(4, 300), lengths.randint(300, 5_000)))
            peer.send(stream[position:end])
            position = end
        peer.finish()
        assert peer.rest() == b""
    stored = gateway.installation.received(after=before)
    assert [one.octets for one in stored] == apdus
    assert len({one.record.connection_id for one in stored}) == 1
    assert all(one.processing is not None for one in stored)


def test_fifty_connections_at_once_each_get_their_own_answers(gateway: RunningDaemon) -> None:
    requests = [ill_request(transaction=f"at once {number}", title=f"Title {number}") for number in range(50)]
    with ExitStack() as stack:
        peers = [stack.enter_context(gateway.connect(TWO_WAY)) for _ in requests]
        # All of them are in the middle of their request at the same time, and then all of them wait.
        for half in (slice(None, 100), slice(100, None)):
            for peer, request in zip(peers, requests, strict=True):
                peer.send(encode(request)[half])
        for peer, request in zip(peers, requests, strict=True):
            assert_is_about(decode(peer.answer()), request)
        # The connections are still open, and more can be said on them.
        for peer, request in zip(peers, requests, strict=True):
            peer.send(status_query(request))
        for peer, request in zip(peers, requests, strict=True):
            assert_is_about(decode(peer.answer()), request)
            peer.finish()
            assert peer.rest() == b""
    numbers = {str((one.summary or {})["request_number"]) for one in gateway.installation.requests()}
    assert numbers >= {f"INTERLENDING/at once {number}" for number in range(50)}


def assert_is_about(answer: ILLApdu, request: ILLRequest) -> None:
    """Fail unless the answer is a status report of this request and of no other."""
    assert answer.transaction_id == request.transaction_id
    assert isinstance(answer, StatusOrErrorReport)
    assert answer.status_report is not None
    assert answer.status_report.user_status_report.title == request.item_id.title
