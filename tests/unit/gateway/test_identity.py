"""Identifiers: who is meant, and when two Transaction-Ids are one."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asn1.ill import NameOfPersonOrInstitution, PersonOrInstitutionSymbol, SystemId, TransactionId
from asn1.schema import EDIFACTString, GeneralString, ILLString
from config.symbols import Symbol
from iso_gateway.message.identity import (
    canonical_transaction,
    is_well_formed,
    profile_digest,
    request_number,
    symbol_of,
    system_id_of,
    text_of,
)

SFU = Symbol("ILLUME", "SFU")


GROUP, QUALIFIER = GeneralString(b"G"), GeneralString(b"1")


def transaction(
    group: ILLString = GROUP, qualifier: ILLString = QUALIFIER, sub: ILLString | None = None
) -> TransactionId:
    return TransactionId(
        transaction_group_qualifier=group, transaction_qualifier=qualifier, sub_transaction_qualifier=sub
    )


class TestText:
    @pytest.mark.parametrize("octets", [b"", b" ", b" \t\r\n ", "\u3000".encode()])
    def test_blank_counts_as_absent(self, octets: bytes) -> None:
        assert text_of(GeneralString(octets)) is None

    def test_spaces_around_it_are_not_part_of_it(self) -> None:
        assert text_of(GeneralString(b"  The  Penelopiad ")) == "The  Penelopiad"

    def test_absent_is_absent(self) -> None:
        assert text_of(None) is None


class TestSymbol:
    @pytest.mark.parametrize(
        "given_symbol",
        [
            PersonOrInstitutionSymbol(institution_symbol=GeneralString(b"ILLUME:SFU")),
            PersonOrInstitutionSymbol(institution_symbol=EDIFACTString(b"ILLUME:SFU")),
            PersonOrInstitutionSymbol(person_symbol=GeneralString(b" ILLUME:SFU ")),
        ],
    )
    def test_every_spelling_names_the_same_library(self, given_symbol: PersonOrInstitutionSymbol) -> None:
        assert symbol_of(SystemId(person_or_institution_symbol=given_symbol)) == SFU

    @pytest.mark.parametrize(
        "system_id",
        [
            None,
            SystemId(),
            SystemId(
                name_of_person_or_institution=NameOfPersonOrInstitution(
                    name_of_institution=GeneralString(b"Simon Fraser University")
                )
            ),
            SystemId(
                person_or_institution_symbol=PersonOrInstitutionSymbol(institution_symbol=GeneralString(b" "))
            ),
        ],
    )
    def test_a_name_or_a_blank_is_no_symbol(self, system_id: SystemId | None) -> None:
        assert symbol_of(system_id) is None

    @pytest.mark.parametrize("symbol", [SFU, Symbol(None, "SFU"), Symbol("MnSCU/PALS", "TST")])
    def test_what_we_write_reads_as_what_was_meant(self, symbol: Symbol) -> None:
        assert symbol_of(system_id_of(symbol)) == symbol


class TestWellFormed:
    def test_both_qualifiers_have_to_say_something(self) -> None:
        assert is_well_formed(transaction())
        assert not is_well_formed(transaction(group=GeneralString(b" ")))
        assert not is_well_formed(transaction(qualifier=EDIFACTString(b"")))


class TestCanonicalTransaction:
    @pytest.mark.parametrize(
        "other",
        [
            transaction(group=EDIFACTString(b"G")),
            transaction(qualifier=EDIFACTString(b" 1 ")),
            transaction(sub=GeneralString(b"  ")),
            replace(transaction(), initial_requester_id=system_id_of(SFU)),
        ],
    )
    def test_every_spelling_of_one_transaction_is_equal(self, other: TransactionId) -> None:
        assert canonical_transaction(other, SFU) == canonical_transaction(transaction(), SFU)

    def test_the_authority_may_be_written_in_any_case(self) -> None:
        assert canonical_transaction(transaction(), Symbol("illume", "SFU")) == canonical_transaction(
            transaction(), SFU
        )

    @pytest.mark.parametrize(
        ("other", "requester"),
        [
            (transaction(group=GeneralString(b"g")), SFU),
            (transaction(qualifier=GeneralString(b"01")), SFU),
            (transaction(sub=GeneralString(b"1")), SFU),
            (transaction(GeneralString(b"G1"), GeneralString(b"")), SFU),
            (transaction(), Symbol("ILLUME", "sfu")),
            (transaction(), Symbol("OTHER", "SFU")),
            (transaction(), Symbol(None, "SFU")),
            (transaction(), None),
        ],
    )
    def test_different_transactions_differ(self, other: TransactionId, requester: Symbol | None) -> None:
        assert canonical_transaction(other, requester) != canonical_transaction(transaction(), SFU)

    @given(st.data())
    def test_no_two_transactions_share_a_key(self, data: st.DataObject) -> None:
        # Few letters, so that parts often run into each other: ('ab', 'c') and ('a', 'bc').
        octets = st.text(":ab", max_size=3).map(str.encode)
        authority = st.none() | st.text("ab", min_size=1, max_size=2)
        parts = st.tuples(
            authority, st.text("ab:", min_size=1, max_size=2), octets, octets, octets, st.booleans()
        ).filter(lambda one: one[0] is not None or ":" not in one[1])
        one, other = data.draw(parts), data.draw(parts)

        def key(part: tuple[str | None, str, bytes, bytes, bytes, bool]) -> bytes:
            authority, symbol, group, qualifier, sub, known = part
            identifier = transaction(GeneralString(group), GeneralString(qualifier), GeneralString(sub))
            return canonical_transaction(identifier, Symbol(authority, symbol) if known else None)

        meant = [(*(one[:2] if one[5] else (None, None)), *one[2:]) for one in (one, other)]
        assert (key(one) == key(other)) == (meant[0] == meant[1])


class TestShown:
    def test_the_number_of_a_request_is_its_qualifiers(self) -> None:
        assert request_number(transaction()) == "G/1"
        assert request_number(transaction(sub=EDIFACTString(b"2"))) == "G/1/2"

    def test_a_digest_is_short_and_tells_profiles_apart(self) -> None:
        assert profile_digest("a") == profile_digest("a")
        assert profile_digest("a") != profile_digest("b")
        assert len(profile_digest("a")) == 16
