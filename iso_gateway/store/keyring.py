"""The key ring: everything in the database that may hold patron data is sealed by one of its keys.

Theory of operation. The master key is 32 random octets in a file apart from the database (and from its
backups). It seals the keys in the `keys` table: an intake key, a digest key, and one key per transaction.
Each message has a data key of its own, which seals its octets; the data key is sealed by the intake key
when the message is committed, and by its transaction's key once that is known. Losing a transaction's key
therefore disposes of everything that the transaction left behind, whatever copies of the database exist, as
long as the copy was made after that rewrapping.

Sealing is AES-256-GCM (NIST SP 800-38D) with a random 96-bit nonce. A key may so seal 2**32 times; only the
intake key comes near, and it is used once per received message. The associated data binds each sealed value
to its place (table and row), so that moving one to another row is noticed. Duplicates are found by
HMAC-SHA-256 (RFC 2104) under the digest key: a plain hash would let anyone with the file test a guess.

Must not import: SQLAlchemy, or anything of ours but the errors and the credentials.
"""

import base64
import binascii
import hmac
import os
import secrets
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from config import credentials
from iso_gateway.errors import StoreError

KEY_OCTETS = 32
NONCE_OCTETS = 12
_FORMAT = b"\x01"
_READ_LIMIT = 4096
_OTHERS = stat.S_IRWXG | stat.S_IRWXO

Random = Callable[[int], bytes]


class KeyDisposedError(StoreError):
    """What was asked for can no longer be read by anyone: its key has been disposed of."""


def create_master_key(path: Path, *, random: Random = secrets.token_bytes) -> None:
    """Write a new master key, readable by its owner only, and on disk when this returns.

    Raises StoreError when the file exists (a master key is never overwritten: what it sealed would be lost)
    or cannot be written.
    """
    text = base64.b64encode(random(KEY_OCTETS)) + b"\n"
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        raise StoreError(f"master key file {str(path)!r} exists already; it is never overwritten") from None
    except OSError as error:
        raise StoreError(f"cannot create master key file {str(path)!r}: {error.strerror}") from error
    with os.fdopen(descriptor, "wb") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


class KeyRing:
    """Seals and opens under the master key and the keys that it seals. Holds no connection and no state."""

    __slots__ = ("_master", "_random", "master_id")

    def __init__(self, master: bytes, *, random: Random = secrets.token_bytes) -> None:
        """Take a master key of 32 octets (ValueError otherwise); `random` gives n unpredictable octets."""
        if len(master) != KEY_OCTETS:
            raise ValueError(f"a master key has {KEY_OCTETS} octets, not {len(master)}")
        self._master = master
        self._random = random
        #: Says which master key sealed a row, and nothing about the key.
        self.master_id = hmac.digest(master, b"iso-gateway master key fingerprint", "sha256").hex()[:32]

    @classmethod
    def load(cls, path: Path, *, random: Random = secrets.token_bytes) -> Self:
        """Read the master key file: 32 octets as base64, readable by its owner only.

        Raises StoreError, with what to do, when it is missing, open to others, or not a key.
        """
        shown = repr(str(path))
        try:
            with path.open("rb") as file:
                mode = os.fstat(file.fileno()).st_mode
                text = file.read(_READ_LIMIT)
        except FileNotFoundError:
            raise StoreError(
                f"master key file {shown} is missing; put it back from where its copy is kept: nothing in"
                " the database can be read without it"
            ) from None
        except OSError as error:
            raise StoreError(f"cannot read master key file {shown}: {error.strerror}") from error
        # A credential belongs to root, and its ACL, which lets our user read it, shows as the group's
        # right.
        if mode & (_OTHERS & ~stat.S_IRGRP if credentials.is_passed(path) else _OTHERS):
            raise StoreError(
                f"master key file {shown} may be used by others (mode {stat.S_IMODE(mode):04o});"
                " run chmod 600 on it, and think about who may have read it"
            )
        try:
            master = base64.b64decode(text.strip(), validate=True)
        except (binascii.Error, ValueError):
            raise StoreError(
                f"master key file {shown} is not base64 text; restore it from its copy"
            ) from None
        if len(master) != KEY_OCTETS:
            raise StoreError(
                f"master key file {shown} holds {len(master)} octets, not {KEY_OCTETS};"
                " restore it from its copy"
            )
        return cls(master, random=random)

    def new_key(self) -> bytes:
        """A new key of 32 octets."""
        return self._random(KEY_OCTETS)

    def wrap(self, key: bytes, *, purpose: str) -> bytes:
        """Seal a key by the master key, for one purpose."""
        return self.seal(self._master, key, context=f"keys.wrapped:{purpose}")

    def unwrap(self, wrapped: bytes, *, purpose: str, master_id: str) -> bytes:
        """Open what `wrap` made. Raises StoreError when another master key sealed it, or it was changed."""
        self.check_master(master_id)
        return self.open(self._master, wrapped, context=f"keys.wrapped:{purpose}")

    def check_master(self, master_id: str) -> None:
        """Raise StoreError unless this is the master key with that fingerprint."""
        if master_id != self.master_id:
            raise StoreError(
                f"the database was sealed by master key {master_id!r}, but the master key file holds"
                f" {self.master_id!r}; configure the file that belongs to this database"
            )

    def seal(self, key: bytes, data: bytes, *, context: str) -> bytes:
        """Seal octets by a key, bound to `context` (where they belong); opening needs the same context."""
        nonce = self._random(NONCE_OCTETS)
        return _FORMAT + nonce + AESGCM(key).encrypt(nonce, data, _associated(context))

    def open(self, key: bytes, sealed: bytes, *, context: str) -> bytes:
        """Open what `seal` made. Raises StoreError when it was changed, moved, or sealed by another key."""
        nonce, text = sealed[1 : 1 + NONCE_OCTETS], sealed[1 + NONCE_OCTETS :]
        if sealed[:1] != _FORMAT or len(nonce) != NONCE_OCTETS:
            raise StoreError(
                f"{context} is not in a form this version can open; check the database, or restore it"
            )
        try:
            return AESGCM(key).decrypt(nonce, text, _associated(context))
        except InvalidTag:
            raise StoreError(
                f"{context} does not open: it, or its key, was changed in the database; restore a backup"
            ) from None

    def digest(self, key: bytes, data: bytes, *, context: str) -> bytes:
        """A keyed digest of 32 octets, to find equal data without keeping it readable."""
        return hmac.digest(key, context.encode() + b"\x00" + data, "sha256")


def _associated(context: str) -> bytes:
    return b"iso-gateway/1:" + context.encode()
