"""The requests that the benchmarks send: what yaz-illclient really sends for examples/yaz-illclient.conf.

yaz-illclient-request.hex holds the octets that the client (Debian 12, libyaz 5.34) sent for that file, with
libyaz's indefinite lengths and empty SEQUENCEs; a test compares them with those of the client where it is
installed. Each request differs from the others in its Transaction-Id.
"""

from collections.abc import Iterator
from itertools import count, islice
from pathlib import Path
from typing import Final

_QUALIFIER: Final = b"2026-000117"
"""The transaction-qualifier in the example. Others have as many octets, so that every length stays right."""


def real_request() -> bytes:
    """Give the octets of the example's ILL-Request."""
    return bytes.fromhex(Path(__file__).with_name("yaz-illclient-request.hex").read_text("ascii"))


class Requests:
    """Requests that differ in their Transaction-Id, for one database: none comes twice."""

    def __init__(self) -> None:
        self._requests = self._all()

    def take(self, number: int) -> list[bytes]:
        """Give the next `number` requests."""
        return list(islice(self._requests, number))

    @staticmethod
    def _all() -> Iterator[bytes]:
        before, after = real_request().split(_QUALIFIER)
        for number in count(1):
            yield before + b"%0*d" % (len(_QUALIFIER), number) + after
