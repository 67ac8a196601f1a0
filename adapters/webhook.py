"""Posting to a webhook: one signed request, and whether it was taken.

What is posted is signed by HMAC-SHA256 over the moment, a full stop and the body, so that nobody else can
post in our name, and nothing that is old can be posted again. Redirections are not followed: what is told
goes to the configured address and to no other. What is answered is thrown away but for its status.

Imports nothing of ours.
"""

import hashlib
import hmac
from datetime import datetime, timedelta
from typing import Final

TIMESTAMP: Final = "Iso-Gateway-Timestamp"
SIGNATURE: Final = "Iso-Gateway-Signature"
VERSION: Final = "v1"
_TAKEN: Final = range(200, 300)


class WebhookFailed(Exception):  # noqa: N818 - an outcome, not a fault
    """It was not taken; the message says why, in our own words and without the address."""


def signature(secret: bytes, timestamp: str, body: bytes) -> str:
    """The signature of a body that is posted at a moment.

    Args:
        secret: what both sides know.
        timestamp: seconds since 1970, as in the header.
        body: what is posted.
    """
    digest = hmac.new(secret, timestamp.encode("ascii") + b"." + body, hashlib.sha256).hexdigest()
    return f"{VERSION}={digest}"


class WebhookSender:
    """Posts to one address.

    Args:
        url: the address.
        secret: what signs.
        timeout: how long it may take, in all.
    """

    def __init__(self, url: str, secret: bytes, *, timeout: timedelta) -> None:
        self._url = url
        self._secret = secret
        self._timeout = timeout.total_seconds()

    async def post(self, body: bytes, at: datetime) -> None:
        """Post JSON.

        Args:
            body: the JSON.
            at: now, aware; it is signed.

        Raises:
            WebhookFailed: it was not taken, or nobody knows: it may have arrived.
        """
        # Late, because it takes a while to import, and few gateways have a webhook.
        import aiohttp

        timestamp = str(int(at.timestamp()))
        headers = {
            "Content-Type": "application/json",
            TIMESTAMP: timestamp,
            SIGNATURE: signature(self._secret, timestamp, body),
        }
        limit = aiohttp.ClientTimeout(total=self._timeout)
        try:
            async with (
                aiohttp.ClientSession(timeout=limit) as session,
                session.post(self._url, data=body, headers=headers, allow_redirects=False) as answer,
            ):
                status = answer.status
        except TimeoutError:
            raise WebhookFailed(f"it did not answer within {self._timeout:g} s") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            # Only the kind: the text repeats the address, which may hold a secret.
            raise WebhookFailed(f"it could not be reached ({type(error).__name__})") from None
        if status not in _TAKEN:
            raise WebhookFailed(f"it answered with status {status}")
