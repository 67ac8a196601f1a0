"""Noticing and telling, wired: the noticer, and one poster for each webhook, started and stopped together."""

import asyncio
import random
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

from adapters.webhook import WebhookFailed, WebhookSender
from config import secrets
from config.settings import Settings, Webhook
from iso_gateway.noticing.noticer import Noticer
from iso_gateway.noticing.posting import NotTakenError, Poster
from iso_gateway.site import Site
from iso_gateway.store.records import GatewayId
from iso_gateway.store.writer import Writer


class WebhookTransmitter:
    """Posts to one webhook; see `noticing.posting.Sender`."""

    def __init__(self, webhook: Webhook) -> None:
        secret = secrets.read(Path(webhook.secret_file))
        self._sender = WebhookSender(webhook.url, secret, timeout=webhook.timeout)

    async def post(self, body: bytes, at: datetime) -> None:
        """Post JSON. Raises NotTakenError."""
        try:
            await self._sender.post(body, at)
        except WebhookFailed as error:
            raise NotTakenError(str(error)) from error


class Attendance:
    """Everything of the daemon that notices, and that tells others of events.

    Args:
        settings: what is to be watched, and who is told.
        site: the installation.
        writer: the one writer of its store.
        gateway: this run, for the leases.
        acted: called when there may be something to send.
    """

    def __init__(
        self,
        settings: Settings,
        site: Site,
        writer: Writer,
        *,
        gateway: GatewayId,
        acted: Callable[[], None],
    ) -> None:
        self._noticer = Noticer(settings, site.gateway, site.store, writer, clock=site.clock, acted=acted)
        self._posters = [
            Poster(
                webhook.name,
                site.store,
                writer,
                WebhookTransmitter(webhook),
                gateway=gateway,
                lease=webhook.timeout,
                retry=settings.retry,
                clock=site.clock,
                chance=random.random,
            )
            for webhook in settings.webhooks
        ]
        self._noticing: asyncio.Task[None] | None = None
        self._posting: list[asyncio.Task[None]] = []

    def start(self, tasks: asyncio.TaskGroup) -> None:
        """Begin, as tasks of a group."""
        self._noticing = tasks.create_task(self._noticer.run(), name="noticer")
        self._posting = [tasks.create_task(poster.run(), name="poster") for poster in self._posters]

    def follow(self, settings: Settings) -> None:
        """Notice by other settings from now on; who is told stays as it is until the gateway starts anew."""
        self._noticer.follow(settings)

    def wake(self) -> None:
        """There may be an event."""
        for poster in self._posters:
            poster.wake()

    async def stop(self, grace: timedelta) -> None:
        """Finish what is being noticed and told.

        Args:
            grace: what takes longer to be told is broken off, and told again by the next run.
        """
        self._noticer.stop()
        for poster in self._posters:
            poster.stop()
        if self._noticing is not None:
            await self._noticing
        if self._posting:
            _, late = await asyncio.wait(self._posting, timeout=grace.total_seconds())
            for task in late:
                task.cancel()
