"""Webhooks: what is posted to a real server, signed; what follows when it is not taken; a second gateway."""

import asyncio
import datetime as dt
import hashlib
import hmac
import json
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
import structlog
from aiohttp import web

from adapters.webhook import SIGNATURE, TIMESTAMP, WebhookFailed, WebhookSender
from config.settings import RetryPolicy, Settings, Webhook
from iso_gateway.daemon import Daemon
from iso_gateway.errors import StoreError
from iso_gateway.noticing.posting import NAP, NotTakenError, Poster
from iso_gateway.request.primitives import Ship
from iso_gateway.running.attendance import Attendance, WebhookTransmitter
from iso_gateway.store.records import GatewayId, WebhookRecord
from iso_gateway.store.writer import Writer
from tests.support import apdus
from tests.support.gateway import ELSEWHERE, MORNING, Desk
from tests.support.noticing import Lookout

SECRET = b"correct horse battery staple"
RETRY = RetryPolicy(first_delay=dt.timedelta(seconds=10), jitter=0)


@dataclass
class Hook:
    """Somebody who listens: what came, and what is answered."""

    url: str = ""
    status: int = 204
    requests: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    came: asyncio.Event = field(default_factory=asyncio.Event)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.requests.append((dict(request.headers), await request.read()))
        self.came.set()
        return web.Response(status=self.status, headers={"Location": "/elsewhere"})

    def events(self) -> list[dict[str, object]]:
        """The events of all requests, in the order in which they came."""
        return [one for _, body in self.requests for one in json.loads(body)["events"]]


@pytest.fixture
async def hook() -> AsyncIterator[Hook]:
    made = Hook()
    app = web.Application()
    app.router.add_post("/ill", made.handle)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0]
    made.url = f"http://{host}:{port}/ill"
    yield made
    await runner.cleanup()


@asynccontextmanager
async def silence() -> AsyncIterator[tuple[str, asyncio.Event]]:
    """A server that answers nothing: its address, and what is set once somebody has connected."""
    came, gone = asyncio.Event(), asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        came.set()
        await reader.read()
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()
        gone.set()

    async with await asyncio.start_server(silent, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}/", came
        await gone.wait()


class TestAdapter:
    async def test_what_is_posted_is_signed(self, hook: Hook) -> None:
        await WebhookSender(hook.url, SECRET, timeout=dt.timedelta(seconds=5)).post(b'{"a":1}', MORNING)
        [(headers, body)] = hook.requests
        assert body == b'{"a":1}'
        assert headers["Content-Type"] == "application/json"
        assert headers[TIMESTAMP] == str(int(MORNING.timestamp()))
        expected = hmac.new(SECRET, f"{headers[TIMESTAMP]}.".encode() + body, hashlib.sha256).hexdigest()
        assert headers[SIGNATURE] == f"v1={expected}"

    @pytest.mark.parametrize("status", [302, 400, 500])
    async def test_what_is_not_taken(self, hook: Hook, status: int) -> None:
        hook.status = status
        with pytest.raises(WebhookFailed, match=f"it answered with status {status}"):
            await WebhookSender(hook.url, SECRET, timeout=dt.timedelta(seconds=5)).post(b"{}", MORNING)
        # No redirection is followed.
        assert len(hook.requests) == 1

    async def test_nobody_there_and_the_address_stays_unsaid(self) -> None:
        sender = WebhookSender(
            "http://127.0.0.1:1/token-in-the-path", SECRET, timeout=dt.timedelta(seconds=5)
        )
        with pytest.raises(WebhookFailed, match="could not be reached") as failed:
            await sender.post(b"{}", MORNING)
        assert "token" not in str(failed.value)

    async def test_no_answer_in_time(self) -> None:
        async with silence() as (url, _):
            sender = WebhookSender(url, SECRET, timeout=dt.timedelta(milliseconds=50))
            with pytest.raises(WebhookFailed, match=r"did not answer within 0\.05 s"):
                await sender.post(b"{}", MORNING)


@dataclass
class Listener:
    """Stands for a webhook: takes what is posted, or does not."""

    told: list[dict[str, object]] = field(default_factory=list)
    refusing: str | None = None
    before: Callable[[], Awaitable[None]] | None = None

    async def post(self, body: bytes, at: dt.datetime) -> None:
        assert at.tzinfo is not None
        if self.before is not None:
            await self.before()
        if self.refusing is not None:
            raise NotTakenError(self.refusing)
        self.told += json.loads(body)["events"]

    @property
    def numbers(self) -> list[object]:
        return [one["sequence"] for one in self.told]


@dataclass
class Place:
    desk: Desk
    writer: Writer
    listener: Listener

    def poster(self, gateway: str = "a" * 16) -> Poster:
        return Poster(
            "ils",
            self.desk.site.store,
            self.writer,
            self.listener,
            gateway=GatewayId(gateway),
            lease=dt.timedelta(seconds=10),
            retry=RETRY,
            clock=self.desk.clock,
            chance=lambda: 0.5,
        )

    def record(self) -> WebhookRecord:
        with self.desk.reading() as uow:
            found = uow.webhooks.get("ils")
        assert found is not None
        return found

    def happen(self, number: int) -> None:
        """Let so many events happen."""
        for _ in range(number):
            self.desk.receive(b"junk" + secrets.token_bytes(4), peer=ELSEWHERE)


@pytest.fixture
def place(portable: Settings) -> Iterator[Place]:
    with Desk.open(portable) as desk:
        writer = Writer(desk.site.store)
        yield Place(desk, writer, Listener())
        writer.close()


class TestPoster:
    async def test_it_tells_what_happens_from_now_on_in_order(self, place: Place) -> None:
        place.happen(2)
        poster = place.poster()
        assert await poster.tell() == NAP
        assert place.listener.told == []
        place.happen(103)
        assert await poster.tell() == NAP
        assert place.listener.numbers == list(range(3, 106))
        assert place.record() == WebhookRecord(name="ils", sequence=105)
        assert await poster.tell() == NAP
        assert len(place.listener.told) == 103

    async def test_what_is_not_taken_is_told_again_later_and_later(self, place: Place) -> None:
        poster = place.poster()
        await poster.tell()
        place.happen(1)
        place.listener.refusing = "it answered with status 500"
        with structlog.testing.capture_logs() as logs:
            assert await poster.tell() == dt.timedelta(seconds=10)
        assert [one["error"] for one in logs if one["event"] == "webhook.failed"] == [
            "it answered with status 500"
        ]
        failed = place.record()
        assert (failed.sequence, failed.failures, failed.failing_since) == (0, 1, place.desk.clock.now)
        place.desk.clock.advance(seconds=10)
        place.happen(1)
        assert await poster.tell() == dt.timedelta(seconds=20)
        assert place.record().failing_since == failed.failing_since
        place.listener.refusing = None
        assert await poster.tell() == dt.timedelta(seconds=20)
        assert place.listener.told == []
        place.desk.clock.advance(seconds=20)
        await poster.tell()
        assert place.listener.numbers == [1, 2]
        assert place.record() == WebhookRecord(name="ils", sequence=2)

    async def test_a_clock_set_back_delays_nothing(self, place: Place) -> None:
        poster = place.poster()
        await poster.tell()
        place.happen(1)
        place.listener.refusing = "it answered with status 500"
        await poster.tell()
        place.listener.refusing = None
        place.desk.clock.advance(hours=-1)
        assert await poster.tell() == NAP
        assert place.listener.numbers == [1]

    async def test_of_two_gateways_one_tells_at_a_time(self, place: Place) -> None:
        first, second = place.poster(), place.poster("b" * 16)
        await first.tell()
        place.happen(1)

        async def meanwhile() -> None:
            # Held by the first, for as long as its request may take, and half a minute.
            assert await second.tell() == dt.timedelta(seconds=40)

        place.listener.before = meanwhile
        await first.tell()
        assert place.listener.numbers == [1]

    async def test_of_a_gateway_that_died_another_takes_over(self, place: Place) -> None:
        first, second = place.poster(), place.poster("b" * 16)
        await first.tell()
        place.happen(1)
        died = asyncio.Event()

        async def dying() -> None:
            died.set()
            await asyncio.Event().wait()

        place.listener.before = dying
        telling = asyncio.create_task(first.tell())
        await died.wait()
        telling.cancel()
        place.listener.before = None
        assert await second.tell() == dt.timedelta(seconds=40)
        place.desk.clock.advance(seconds=40)
        await second.tell()
        assert place.listener.numbers == [1]

    async def test_a_claim_that_another_was_faster_with(self, place: Place) -> None:
        poster = place.poster()
        await poster.tell()
        before = place.record()
        place.happen(1)
        now = place.desk.clock.now
        with place.desk.site.store.unit_of_work() as uow:
            assert uow.webhooks.claim(before, owner="other", now=now, until=now)
            assert uow.webhooks.told("ils", owner="other", sequence=1)
            assert not uow.webhooks.told("ils", owner="other", sequence=9)
            assert not uow.webhooks.claim(before, owner="late", now=now, until=now)
            assert not uow.webhooks.failed("ils", owner="late", now=now, again=now, error="late")
            assert uow.webhooks.enter("ils").sequence == 1

    async def test_a_database_that_sends_nothing_tells_nothing(self, place: Place) -> None:
        poster = place.poster()
        await poster.tell()
        place.happen(1)
        with place.desk.site.store.unit_of_work() as uow:
            uow.sending.hold("a copy", place.desk.clock.now)
        assert await poster.tell() == NAP
        assert place.listener.told == []

    async def test_no_patron_data_is_told(self, place: Place) -> None:
        poster = place.poster()
        await poster.tell()
        half = place.desk.begin(apdus.ill_request(), then=(Ship(note="for Margaret Atwood"),))
        with place.desk.site.store.unit_of_work() as uow:
            uow.events.append(
                kind="odd", half_id=half, message_id=None, detail={"note": "Atwood"}, at=place.desk.clock.now
            )
        await poster.tell()
        assert len(place.listener.told) >= 3
        said = json.dumps(place.listener.told)
        for name in ("Atwood", "Penelopiad", "ILLUME:YAZ"):
            assert name not in said
        assert place.listener.told[-1]["detail"] == {}

    async def test_it_runs_until_it_is_stopped(self, place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
        poster = place.poster()
        looks: list[int] = []
        tell = poster.tell

        async def troubled() -> dt.timedelta:
            looks.append(1)
            if len(looks) == 1:
                poster.wake()
                raise StoreError("the database is gone")
            await tell()
            poster.stop()
            return NAP

        monkeypatch.setattr(poster, "tell", troubled)
        with structlog.testing.capture_logs() as logs:
            await poster.run()
        assert [one["error"] for one in logs if one["event"] == "webhook.broke"] == ["the database is gone"]
        assert place.record().sequence == 0


async def test_a_webhook_that_takes_nothing_is_noticed(desk: Desk, tmp_path: Path) -> None:
    webhook = Webhook(name="ils", url="https://ils.example/", secret_file=str(tmp_path / "secret"))
    settings = replace(desk.site.settings, webhooks=(webhook,))
    with desk.under(settings) as watched:
        now = watched.clock.now
        with watched.site.store.unit_of_work() as uow:
            before = uow.webhooks.enter("ils")
            assert uow.webhooks.claim(before, owner="x", now=now, until=now)
            assert uow.webhooks.failed("ils", owner="x", now=now, again=now, error="it answered with 500")
        lookout = Lookout(watched.site)
        lookout.look()
        assert lookout.standing() == ()
        watched.clock.advance(minutes=30)
        lookout.look()
        [row] = lookout.standing()
        assert row.kind == "webhook"
        assert row.reason == "webhook ils does not take what it is told; last: it answered with 500"


async def test_the_daemon_tells_and_notices(settings: Settings, hook: Hook, tmp_path: Path) -> None:
    secret = tmp_path / "hook.secret"
    secret.write_bytes(SECRET + b"\n")
    webhook = Webhook(name="ils", url=hook.url, secret_file=str(secret))
    with Desk.open(settings) as desk:
        with desk.site.store.unit_of_work() as uow:
            uow.webhooks.enter("ils")
        desk.receive(b"junk", peer=ELSEWHERE)
    daemon = Daemon(replace(settings, webhooks=(webhook,)))
    running = asyncio.create_task(daemon.run())
    async with asyncio.timeout(60):
        while not {"message.unreadable", "attention.raised"} <= {one["kind"] for one in hook.events()}:
            await hook.came.wait()
            hook.came.clear()
    daemon.stop()
    await running
    assert [one["sequence"] for one in hook.events()] == sorted(
        int(str(one["sequence"])) for one in hook.events()
    )


async def test_what_takes_too_long_is_broken_off(desk: Desk, tmp_path: Path) -> None:
    secret = tmp_path / "hook.secret"
    secret.write_bytes(SECRET)
    with desk.site.store.unit_of_work() as uow:
        uow.webhooks.enter("ils")
    desk.receive(b"junk", peer=ELSEWHERE)
    writer = Writer(desk.site.store)
    async with silence() as (url, came):
        webhook = Webhook(name="ils", url=url, secret_file=str(secret))
        attendance = Attendance(
            replace(desk.site.settings, webhooks=(webhook,)),
            desk.site,
            writer,
            gateway=GatewayId("a" * 16),
            acted=lambda: None,
        )
        async with asyncio.TaskGroup() as tasks:
            attendance.start(tasks)
            await came.wait()
            await attendance.stop(dt.timedelta(milliseconds=1))
    writer.close()
    with desk.reading() as uow:
        told = uow.webhooks.get("ils")
    assert told is not None
    assert told.sequence == 0


async def test_a_failure_of_the_adapter_is_a_failure_to_take_it(tmp_path: Path) -> None:
    secret = tmp_path / "hook.secret"
    secret.write_bytes(SECRET)
    webhook = Webhook(name="ils", url="http://127.0.0.1:1/", secret_file=str(secret))
    with pytest.raises(NotTakenError, match="could not be reached"):
        await WebhookTransmitter(webhook).post(b"{}", MORNING)
