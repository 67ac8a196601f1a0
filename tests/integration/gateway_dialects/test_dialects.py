"""A partner's profile says how its octets are read: which dialect, and how many of them."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from asn1 import dialects
from asn1.codec import decode, encode
from asn1.ill import ILLRequest, StatusOrErrorReport
from asn1.schema import AnyValue
from config import starter
from config.loading import load
from config.settings import Acknowledge, Dialect, Partner, Settings
from iso_gateway.reception import Processed, Verdict
from iso_gateway.services import Arrival
from iso_gateway.site import Site
from iso_gateway.store.records import HalfId, ProcessingRecord, Transport
from tests.support import apdus, empty
from tests.support.apdus import LATER
from tests.support.biblio_ill import written_by_biblio_ill

NOW = datetime(2026, 11, 16, 18, 15, tzinfo=UTC)
REQUEST = apdus.ill_request()
CANCEL = apdus.cancel(REQUEST)


class Counter:
    """Where octets are handed in, as they come from YAZ."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def receive(self, octets: bytes) -> Processed:
        arrival = Arrival(
            transport=Transport.TCP_TWO_WAY,
            listener="two-way",
            peer_address="127.0.0.1:40001",
            connection_id="c-1",
        )
        with self._site.store.unit_of_work() as uow:
            message_id = self._site.gateway.receive(uow, octets, arrival)
        with self._site.store.unit_of_work() as uow:
            return self._site.gateway.process(uow, message_id)

    def processing(self, processed: Processed) -> ProcessingRecord:
        with self._site.store.reading() as uow:
            [record] = uow.messages.processings(processed.message_id)
        return record

    def raw(self, processed: Processed) -> bytes:
        with self._site.store.reading() as uow:
            return uow.messages.raw(processed.message_id)

    def answer(self, processed: Processed) -> StatusOrErrorReport:
        assert processed.answer is not None
        with self._site.store.reading() as uow:
            report = decode(uow.messages.raw(processed.answer))
        assert isinstance(report, StatusOrErrorReport)
        return report

    def state(self, processed: Processed) -> str:
        assert processed.half_id is not None
        with self._site.store.reading() as uow:
            return uow.halves.get(HalfId(processed.half_id)).state


Opened = Callable[..., Counter]


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Opened]:
    """Gives a function that opens a gateway whose partners have these differences from the starting set."""
    starter.write(tmp_path)
    loaded = load(tmp_path / "gateway.toml")
    sites: list[Site] = []

    def open_with(dialect: Dialect, max_apdu_octets: int | None = None) -> Counter:
        def changed(partner: Partner) -> Partner:
            return replace(
                partner,
                dialect=dialect,
                max_apdu_octets=max_apdu_octets,
                acknowledge=Acknowledge.STATUS_REPORT,
            )

        settings: Settings = replace(loaded, partners=tuple(map(changed, loaded.partners)))
        empty.put_in(settings)
        site = Site.create_or_open(settings, clock=lambda: NOW)
        sites.append(site)
        return Counter(site)

    yield open_with
    for site in sites:
        site.close()


def test_the_profile_and_the_codec_know_the_same_dialects() -> None:
    assert [one.value for one in Dialect] == [one.value for one in dialects.Dialect]


@pytest.mark.parametrize("dialect", Dialect)
def test_a_right_message_is_read_in_every_dialect(opened: Opened, dialect: Dialect) -> None:
    counter = opened(dialect)
    with capture_logs() as logged:
        processed = counter.receive(encode(REQUEST))
    assert processed.verdict is Verdict.APPLIED
    assert [entry for entry in logged if entry["event"] == "message.tolerated"] == []


class TestBiblioIll:
    def test_its_messages_have_their_effect_and_are_kept_as_they_came(self, opened: Opened) -> None:
        counter = opened(Dialect.BIBLIO_ILL)
        assert counter.receive(written_by_biblio_ill(REQUEST)).verdict is Verdict.APPLIED
        octets = written_by_biblio_ill(CANCEL)
        with capture_logs() as logged:
            processed = counter.receive(octets)
        assert processed.verdict is Verdict.APPLIED
        assert counter.state(processed) == "CANCEL-PENDING"
        assert counter.raw(processed) == octets
        [told] = [entry for entry in logged if entry["event"] == "message.tolerated"]
        assert told["missing-sequence"] == 1
        assert told["partner"] == processed.partner

    def test_a_repeat_is_known_for_one(self, opened: Opened) -> None:
        counter = opened(Dialect.BIBLIO_ILL)
        counter.receive(written_by_biblio_ill(REQUEST))
        counter.receive(written_by_biblio_ill(CANCEL))
        again = apdus.repeat_of(CANCEL, at=LATER + timedelta(hours=1))
        assert counter.receive(written_by_biblio_ill(again)).verdict is Verdict.REPEATED

    @pytest.mark.parametrize("dialect", [Dialect.STRICT, Dialect.STANDARD])
    def test_another_partner_is_told_that_its_message_is_mistyped(
        self, opened: Opened, dialect: Dialect
    ) -> None:
        counter = opened(dialect)
        counter.receive(encode(REQUEST))
        processed = counter.receive(written_by_biblio_ill(CANCEL))
        assert processed.verdict is Verdict.UNREADABLE
        assert processed.apdu_type == "Cancel"
        report = counter.answer(processed)
        assert report.error_report is not None
        assert report.transaction_id == CANCEL.transaction_id


class TestUnknownComponents:
    LATER: ILLRequest = replace(REQUEST, unknown=(AnyValue(bytes.fromhex("bf5a020500")),))

    def test_they_keep_nobody_from_being_served(self, opened: Opened) -> None:
        counter = opened(Dialect.STANDARD)
        with capture_logs() as logged:
            processed = counter.receive(encode(self.LATER))
        assert processed.verdict is Verdict.APPLIED
        [told] = [entry for entry in logged if entry["event"] == "message.tolerated"]
        assert told["unknown-component"] == 1

    def test_but_a_strict_profile_wants_none(self, opened: Opened) -> None:
        counter = opened(Dialect.STRICT)
        processed = counter.receive(encode(self.LATER))
        assert processed.verdict is Verdict.UNREADABLE
        record = counter.processing(processed)
        assert (record.reason, record.error_path) == ("unexpected element [90]", "ILL-Request")


def test_a_stranger_is_read_by_the_common_dialect(opened: Opened) -> None:
    counter = opened(Dialect.BIBLIO_ILL)
    stranger = replace(TestUnknownComponents.LATER, requester_id=apdus.system_id("NOBODY:KNOWN"))
    assert counter.receive(encode(stranger)).verdict is Verdict.UNKNOWN_SENDER
    assert counter.receive(written_by_biblio_ill(apdus.cancel(stranger))).verdict is Verdict.UNREADABLE
    assert counter.receive(b"\x66\x00").verdict is Verdict.UNREADABLE


@pytest.mark.parametrize(("spare", "verdict"), [(0, Verdict.APPLIED), (-1, Verdict.UNREADABLE)])
def test_a_partner_has_a_limit_of_its_own(opened: Opened, spare: int, verdict: Verdict) -> None:
    octets = encode(REQUEST)
    counter = opened(Dialect.STANDARD, max_apdu_octets=len(octets) + spare)
    assert counter.receive(octets).verdict is verdict
