"""The vocabulary of the schema, where it is told something that it does not know."""

from dataclasses import dataclass
from typing import Any

import pytest

from asn1.bounds import is_bit_string, is_integer, is_object_identifier, is_unlisted
from asn1.ill import DeliveryService, ILLServiceType, SystemId
from asn1.schema import BitString, GeneralString, Sequence, describe


def test_a_choice_holds_exactly_one_alternative() -> None:
    note = GeneralString(b"mail")
    assert DeliveryService(physical_delivery=note).chosen == ("physical_delivery", note)
    for alternatives in ({}, {"physical_delivery": note, "electronic_delivery": ()}):
        with pytest.raises(
            ValueError, match="Delivery-Service is a CHOICE: give exactly one of physical_del"
        ):
            DeliveryService(**alternatives)  # type: ignore[arg-type]


def test_a_type_that_is_no_dataclass_is_not_described() -> None:
    class Bare(Sequence):
        """Has no components."""

    with pytest.raises(TypeError, match="Bare is no dataclass"):
        describe(Bare)


def test_an_annotation_without_a_type_of_the_abstract_syntax_is_refused() -> None:
    @dataclass(frozen=True)
    class Odd(Sequence):
        """Has a component of no known type."""

        number: complex

    @dataclass(frozen=True)
    class Mixed(Sequence):
        """Has a component of two types that make no CHOICE."""

        number: int | str

    with pytest.raises(TypeError, match=r"Odd\.number is annotated with <class 'complex'>"):
        describe(Odd)
    with pytest.raises(TypeError, match=r"Mixed\.number is annotated with"):
        describe(Mixed)


def test_a_description_is_made_once() -> None:
    assert describe(SystemId) is describe(SystemId)


@pytest.mark.parametrize(
    ("text", "valid"),
    [
        ("1.2", True),
        ("2.999", True),
        ("0.39.0", True),
        ("1", False),
        ("", False),
        ("1.", False),
        ("1.02", False),
        ("1.+2", False),
        ("1.²", False),
        ("3.0", False),
        ("0.40", False),
        (f"2.{2**133 - 81}", True),
        (f"2.{2**133 - 80}", False),
        (f"1.2.{2**133}", False),
        ("1.2." + "9" * 5_000, False),
    ],
)
def test_object_identifiers(text: str, valid: Any) -> None:
    assert is_object_identifier(text) is valid


def test_bounds() -> None:
    assert is_integer(2**2047 - 1)
    assert is_integer(-(2**2047))
    assert not is_integer(2**2047)
    assert not is_integer(-(2**2047) - 1)
    assert [
        number for number in (-1, 0, 1, 5, 6, 2**31 - 1, 2**31) if is_unlisted(ILLServiceType, number)
    ] == [
        6,
        2**31 - 1,
    ]
    assert [is_bit_string(BitString(b"\xf8", unused)) for unused in (-1, 0, 3, 4, 8)] == [
        False,
        True,
        True,
        False,
        False,
    ]
    assert is_bit_string(BitString(b""))
    assert not is_bit_string(BitString(b"", 1))
