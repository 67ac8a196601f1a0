"""Mails to the site's own mail server, which sends them on (RFC 5321). There is one connection for each mail.

Delivered means that our server has taken the mail: it has answered 250 to the whole of it. What becomes of it
afterwards only a notice can tell (`adapters.mail_reading`), so notices are asked for where the server knows
how (RFC 3461): of failure and delay, with our token as the envelope's identifier.
What the server answers is quoted to the operator, escaped and cut: it is our own server, but may repeat what
another wrote. Imports asn1 and config, nothing of iso_gateway.
"""

import asyncio
import re
import ssl
from datetime import timedelta
from pathlib import Path
from typing import Final

import aiosmtplib

from adapters.envelope import written
from adapters.errors import DeliveryFailed, Failure, failure_to_connect
from adapters.mail_composer import OutgoingMail
from adapters.permit import Permit, always
from config import secrets
from config.errors import escaped
from config.settings import Mail, MailTls

_LINE_BEGINS_WITH_DOT: Final = re.compile(rb"(?m)^\.")

#: How much of an answer is quoted.
_QUOTED: Final = 160

#: The answer to a mail that is longer than the server, or a mailbox, takes (RFC 1870, 6.1).
_TOO_LONG: Final = 552

#: Seconds for the goodbye, which nothing depends on.
_GOODBYE: Final = 1.0


class MailSender:
    """Gives mails to our mail server.

    Args:
        mail: where it is, and how we log in.
    """

    def __init__(self, mail: Mail) -> None:
        self._mail = mail
        self._server = written(mail.relay_host, mail.relay_port)
        self._context: ssl.SSLContext | None = None

    async def send(
        self,
        mail: OutgoingMail,
        *,
        connect_timeout: timedelta,
        send_timeout: timedelta,
        permit: Permit = always,
    ) -> None:
        """Gives one mail to the server, and returns when it has taken it.

        Args:
            mail: with its envelope.
            connect_timeout: how long reaching the server may take, TLS and login included.
            send_timeout: how long it may take to take the mail.
            permit: asked immediately before the mail is given; what comes before commits nobody to anything.

        Raises DeliveryFailed: ambiguous only when the connection was lost after the last octet had been given
        to it and before its answer; not temporary only when it refuses the sender, the recipient or the mail
        by 5xx. A server that does not let us in at all is to be put right, and loses nothing.
        """
        client = await self._connect(mail.sender.rpartition("@")[2], connect_timeout)
        try:
            timer = asyncio.timeout(send_timeout.total_seconds())
            transfer = _Transfer(client, self._server, permit)
            try:
                async with timer:
                    await transfer.run(mail)
            except (OSError, aiosmtplib.SMTPException) as error:
                # A TimeoutError is an OSError; aiosmtplib's loss of a connection is both.
                failure = transfer.failure(error, late=timer.expired())
                if isinstance(error, aiosmtplib.SMTPResponseException):
                    await _say_goodbye(client)
                raise failure from error
            await _say_goodbye(client)
        finally:
            client.close()

    def forget_certificates(self) -> None:
        """Has the certificates by which the server is known be read again: they may have been renewed."""
        self._context = None

    async def _connect(self, domain: str, within: timedelta) -> aiosmtplib.SMTP:
        tls = self._mail.tls
        client = aiosmtplib.SMTP(
            hostname=self._mail.relay_host,
            port=self._mail.relay_port,
            # Not asked of the resolver, which may take its time.
            local_hostname=domain,
            timeout=None,
            use_tls=tls is MailTls.TLS,
            start_tls=tls is MailTls.STARTTLS,
            tls_context=None if tls is MailTls.NONE else self._tls_context(),
        )
        timer = asyncio.timeout(within.total_seconds())
        try:
            async with timer:
                await client.connect()
                if self._mail.user is not None:
                    await client.login(self._mail.user, self._password())
        except (OSError, aiosmtplib.SMTPException) as error:
            client.close()
            raise self._unreached(error, late=timer.expired()) from error
        except BaseException:
            client.close()
            raise
        return client

    def _unreached(self, error: Exception, *, late: bool) -> DeliveryFailed:
        where = f"our mail server {self._server}"
        cause = _cause(error)
        match cause:
            case _ if late:
                reason, failure = f"{where} did not answer in time", Failure.CONNECT_TIMEOUT
            case aiosmtplib.SMTPResponseException():
                reason, failure = f"{where} does not let us in: {_quoted(cause)}", Failure.MAIL_SERVER
            case ssl.SSLError():
                reason = f"no TLS with {where}: {(cause.reason or type(cause).__name__).lower()}"
                failure = Failure.TLS
            case aiosmtplib.SMTPServerDisconnected():
                reason, failure = f"{where} ended the connection at once", Failure.CLOSED
            case OSError():
                told = (cause.strerror or type(cause).__name__).lower()
                reason = f"cannot connect to {where}: {told}"
                failure = failure_to_connect(cause, late=False)
            case _:
                reason = (
                    f"{where} cannot do what the configuration asks for: STARTTLS, or a login that we know"
                )
                failure = Failure.MAIL_SERVER
        return DeliveryFailed(reason, temporary=True, ambiguous=False, failure=failure)

    def _tls_context(self) -> ssl.SSLContext:
        if self._context is None:
            try:
                context = ssl.create_default_context(cafile=self._mail.ca_file)
            except OSError as error:
                raise self._unusable("ca_file", self._mail.ca_file, error) from error
            context.minimum_version = ssl.TLSVersion.TLSv1_2
            self._context = context
        return self._context

    def _password(self) -> str:
        file = self._mail.password_file or ""
        try:
            return secrets.read_password(Path(file))
        except (OSError, UnicodeDecodeError) as error:
            raise self._unusable("password_file", file, error) from error

    @staticmethod
    def _unusable(key: str, file: str | None, error: Exception) -> DeliveryFailed:
        told = error.strerror if isinstance(error, OSError) else None
        return DeliveryFailed(
            f"{key} {file!r} of [mail] cannot be used: {(told or type(error).__name__).lower()}",
            temporary=True,
            ambiguous=False,
            failure=Failure.MAIL_SERVER,
        )


class _Transfer:
    """One mail on an open connection, and how far it got."""

    def __init__(self, client: aiosmtplib.SMTP, server: str, permit: Permit) -> None:
        self._client = client
        self._permit = permit
        self._server = server
        self._step = "the sender"
        self._given = False

    async def run(self, mail: OutgoingMail) -> None:
        client = self._client
        if client.is_ehlo_or_helo_needed:
            await client.ehlo()
        octets = _LINE_BEGINS_WITH_DOT.sub(b"..", mail.octets)
        size = [f"SIZE={len(octets)}"] if client.supports_extension("size") else []
        notify = client.supports_extension("dsn")
        about = ["RET=HDRS", f"ENVID={mail.token}"] if notify else []
        await client.mail(mail.sender, options=[*size, *about])
        self._step = "the recipient"
        wanted = ["NOTIFY=FAILURE,DELAY", f"ORCPT=rfc822;{_xtext(mail.recipient)}"] if notify else []
        await client.rcpt(mail.recipient, options=wanted)
        self._step = "the mail"
        begun = await client.execute_command(b"DATA")
        if begun.code != aiosmtplib.SMTPStatus.start_input:
            raise aiosmtplib.SMTPDataError(begun.code, begun.message)
        await self._permit()
        protocol = client.protocol
        if protocol is None:
            raise aiosmtplib.SMTPServerDisconnected("connection lost")
        # Why not `data`: it does not tell whether the connection was lost before or after the mail was given.
        self._given = True
        protocol.write(octets + b".\r\n")
        answer = await protocol.read_response()
        self._given = False
        if answer.code != aiosmtplib.SMTPStatus.completed:
            raise aiosmtplib.SMTPDataError(answer.code, answer.message)

    def failure(self, error: Exception, *, late: bool) -> DeliveryFailed:
        """Returns what an error means that ended `run`."""
        where = f"our mail server {self._server}"
        if isinstance(error, aiosmtplib.SMTPResponseException) and not self._given:
            final = 500 <= error.code < 600
            if error.code == _TOO_LONG:
                # Said in answer to the sender, because that is where the size is told.
                self._step = "the mail"
            return DeliveryFailed(
                f"{where} {'refuses' if final else 'does not take'} {self._step}"
                f"{'' if final else ' now'}: {_quoted(error)}",
                temporary=not final,
                ambiguous=False,
                failure=Failure.MAIL_REFUSED if final else Failure.MAIL_DEFERRED,
            )
        what = "did not answer in time" if late else "broke the connection"
        when = (
            "after the whole mail was given; it may have it or not"
            if self._given
            else "before it had the mail"
        )
        return DeliveryFailed(
            f"{where} {what}, {when}",
            temporary=True,
            ambiguous=self._given,
            failure=Failure.SEND_TIMEOUT if late else Failure.RESET,
        )


async def _say_goodbye(client: aiosmtplib.SMTP) -> None:
    """Ends the session as the protocol wants it; the mail is the server's, so a failure says nothing."""
    try:
        async with asyncio.timeout(_GOODBYE):
            await client.quit()
    except (OSError, aiosmtplib.SMTPException):
        return


def _cause(error: BaseException) -> BaseException:
    """Returns the system's or TLS's own error, where aiosmtplib has wrapped it."""
    while isinstance(error, aiosmtplib.SMTPException) and not isinstance(
        error, aiosmtplib.SMTPResponseException
    ):
        if error.__cause__ is None:
            return error
        error = error.__cause__
    return error


def _quoted(error: aiosmtplib.SMTPResponseException) -> str:
    """Returns code and text of an answer, escaped and cut."""
    text = escaped(" ".join(error.message.split()))
    return f"{error.code} {text[:_QUOTED]}".rstrip()


def _xtext(address: str) -> str:
    """Returns an address as RFC 3461 (4) writes it in a parameter."""
    return "".join(
        char if "!" <= char <= "~" and char not in "+=" else f"+{ord(char):02X}" for char in address
    )
