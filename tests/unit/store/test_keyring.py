"""The key ring's sealing, without files or database."""

import itertools

import pytest

from iso_gateway.errors import StoreError
from iso_gateway.store.keyring import KeyRing

MASTER = bytes(range(32))


def counting_random() -> "itertools.count[int]":
    return itertools.count(1)


def ring(master: bytes = MASTER) -> KeyRing:
    numbers = counting_random()
    return KeyRing(master, random=lambda octets: next(numbers).to_bytes(octets, "big"))


def test_what_is_sealed_opens_again_in_its_place() -> None:
    keys = ring()
    key = keys.new_key()
    sealed = keys.seal(key, b"Patron, P.", context="messages.raw")
    assert b"Patron" not in sealed
    assert keys.open(key, sealed, context="messages.raw") == b"Patron, P."


def test_sealing_twice_gives_different_octets() -> None:
    keys = ring()
    key = keys.new_key()
    assert keys.seal(key, b"x", context="c") != keys.seal(key, b"x", context="c")


def test_a_value_moved_to_another_place_does_not_open() -> None:
    keys = ring()
    key = keys.new_key()
    sealed = keys.seal(key, b"x", context="message_keys.wrapped:1:2")
    with pytest.raises(StoreError, match=r"message_keys\.wrapped:2:2 does not open"):
        keys.open(key, sealed, context="message_keys.wrapped:2:2")


@pytest.mark.parametrize("position", [0, 1, 13, -1])
def test_a_changed_octet_is_noticed_wherever_it_is(position: int) -> None:
    keys = ring()
    key = keys.new_key()
    sealed = bytearray(keys.seal(key, b"abc", context="c"))
    sealed[position] ^= 1
    with pytest.raises(StoreError):
        keys.open(key, bytes(sealed), context="c")


@pytest.mark.parametrize("sealed", [b"", b"\x01", b"\x01" + bytes(11), b"\x01" + bytes(12)])
def test_cut_values_are_a_store_error(sealed: bytes) -> None:
    keys = ring()
    with pytest.raises(StoreError):
        keys.open(keys.new_key(), sealed, context="c")


def test_another_key_does_not_open() -> None:
    keys = ring()
    sealed = keys.seal(keys.new_key(), b"x", context="c")
    with pytest.raises(StoreError, match="does not open"):
        keys.open(keys.new_key(), sealed, context="c")


def test_a_wrapped_key_opens_for_its_purpose_only() -> None:
    keys = ring()
    key = keys.new_key()
    wrapped = keys.wrap(key, purpose="transaction")
    assert keys.unwrap(wrapped, purpose="transaction", master_id=keys.master_id) == key
    with pytest.raises(StoreError):
        keys.unwrap(wrapped, purpose="digest", master_id=keys.master_id)


def test_another_master_key_is_named_by_fingerprint() -> None:
    ours, theirs = ring(), ring(bytes(32))
    wrapped = ours.wrap(ours.new_key(), purpose="intake")
    with pytest.raises(StoreError, match=ours.master_id) as caught:
        theirs.unwrap(wrapped, purpose="intake", master_id=ours.master_id)
    assert theirs.master_id in str(caught.value)
    assert MASTER.hex()[:16] not in str(caught.value)


def test_digests_depend_on_key_and_context() -> None:
    keys = ring()
    first, second = keys.new_key(), keys.new_key()
    digest = keys.digest(first, b"octets", context="messages.digest")
    assert digest == keys.digest(first, b"octets", context="messages.digest")
    assert len(digest) == 32
    assert digest != keys.digest(second, b"octets", context="messages.digest")
    assert digest != keys.digest(first, b"octets", context="transactions.key")


def test_a_master_key_has_32_octets() -> None:
    with pytest.raises(ValueError, match="32 octets, not 31"):
        KeyRing(bytes(31))


def test_the_master_key_is_in_no_repr() -> None:
    assert repr(MASTER) not in repr(ring())
