"""Delivery as an operator sees it: what stops in the middle, and what waits until it is let go."""

import time
from pathlib import Path
from typing import Final

from asn1.codec import decode
from asn1.ill import StatusOrErrorReport
from iso_gateway.failure import Failure
from iso_gateway.store.records import AttemptOutcome, OutboxStatus
from tests.support.apdus import ill_request, status_query
from tests.support.daemon import ONE_WAY, Installation, PartnerListener

REQUEST: Final = ill_request()


def test_a_partner_that_takes_nothing_does_not_hold_up_the_end(tmp_path: Path) -> None:
    with PartnerListener().listen() as partner:
        installation = Installation(tmp_path, yaz_port=partner.port)
        with installation.running() as gateway:
            gateway.exchange(ONE_WAY, status_query(REQUEST))
            with partner.accept():
                asked = time.monotonic()
                assert gateway.stop() == 0
                # It would have had 30 seconds to end the connection.
                assert time.monotonic() - asked < 25
            gateway.await_line("apdu.interrupted")
        with installation.reading() as uow:
            [row] = uow.outbox.list()
            assert (row.status, row.failure) == (OutboxStatus.WAITING, Failure.INTERRUPTED)
            assert [one.outcome for one in uow.outbox.attempts(row.id)] == [AttemptOutcome.ABANDONED]
        with installation.running() as gateway:
            assert isinstance(partner.apdu(), StatusOrErrorReport)
            gateway.await_line("apdu.delivered")


def test_what_is_for_a_suspended_partner_waits_until_it_is_resumed(tmp_path: Path) -> None:
    why = ("--reason", "the partner moves house", "--yes")
    with PartnerListener().listen() as partner:
        installation = Installation(tmp_path, yaz_port=partner.port, zed_port=partner.port)
        with installation.running() as gateway:
            assert installation.command("partners", "suspend", "YAZ", *why).returncode == 0
            gateway.exchange(ONE_WAY, status_query(REQUEST))
            gateway.exchange(ONE_WAY, status_query(ill_request(requester="ILLUME:ZED")))
            # That for ZED, queued later, arrives; so the gateway has looked, and left that for YAZ.
            partner.octets()
            gateway.await_line("apdu.delivered", partner="ZED")
            assert partner.is_quiet()
            assert b"suspended its partner" in installation.command("waiting", "list", "--json").stdout
            assert installation.command("partners", "resume", "YAZ", *why).returncode == 0
            assert isinstance(decode(partner.octets()), StatusOrErrorReport)
            gateway.await_line("apdu.delivered", partner="YAZ")
