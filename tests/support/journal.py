"""What a partner of the kill harness remembers: one line for each thing, on disk before anything follows.

It is the harness's oracle, so it has nothing from the gateway: a file that is appended to and synced.
"""

import datetime as dt
import json
import os
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Final, Self


class Kind(StrEnum):
    """What an entry tells."""

    BEGUN = "begun"
    """The partner began a request as borrower."""
    RECEIVED = "received"
    """An APDU came in; only from here on is its sender told that it arrived."""
    TAKEN = "taken"
    """The gateway has said that it has an APDU, by ending the connection in good order."""
    OVER = "over"
    """A request is over: nothing more is to come."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One thing that happened to the partner.

    Args:
        kind: what.
        at: when, aware.
        request: the number of the request that it is about; empty for octets that are no APDU.
        octets: the APDU that came in or was taken.
        qualifier: that of the request that was begun.
    """

    kind: Kind
    at: dt.datetime
    request: str
    octets: bytes = field(default=b"", repr=False)
    qualifier: str = ""

    @classmethod
    def read(cls, line: bytes) -> Self:
        """Read a line of the journal."""
        table = json.loads(line)
        return cls(
            kind=Kind(table["kind"]),
            at=dt.datetime.fromisoformat(table["at"]),
            request=table["request"],
            octets=bytes.fromhex(table["octets"]),
            qualifier=table["qualifier"],
        )

    def written(self) -> bytes:
        """Give it as a line of the journal."""
        table = {
            "kind": self.kind,
            "at": self.at.isoformat(),
            "request": self.request,
            "octets": self.octets.hex(),
            "qualifier": self.qualifier,
        }
        return json.dumps(table).encode() + b"\n"


class Journal:
    """A journal that is appended to.

    Args:
        path: the file; made if need be. A last line that was cut off by a kill never happened.
    """

    def __init__(self, path: Path) -> None:
        self.entries: Final = read(path)
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.ftruncate(self._file, sum(len(entry.written()) for entry in self.entries))

    def append(self, entry: Entry) -> None:
        """Have an entry on disk, and return."""
        os.write(self._file, entry.written())
        os.fsync(self._file)

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._file)


def read(path: Path) -> tuple[Entry, ...]:
    """Give the entries of a journal, whole lines only; none where there is no file yet."""
    if not path.exists():
        return ()
    *whole, _ = path.read_bytes().split(b"\n")
    return tuple(map(Entry.read, whole))
