"""Who an APDU is from, whom it is for and which transaction it belongs to: read off its identifiers.

Rules of protocol.md section 4, which are inferred or general knowledge: ILL-Strings are compared regardless
of their alternative, a blank one counts as absent, authorities are compared without regard to case.
"""

import hashlib

from asn1.ill import PersonOrInstitutionSymbol, SystemId, TransactionId
from asn1.schema import GeneralString, ILLString
from config.symbols import Symbol


def text_of(value: ILLString | None, encoding: str = "utf-8") -> str | None:
    """The text of an ILL-String, or None where it is absent or blank.

    Args:
        value: the string, whose octets stay as they are.
        encoding: the character set of whoever wrote it; what is not valid UTF-8 is read as Latin-1.
    """
    return None if value is None else read_as(value, encoding).strip() or None


def read_as(value: ILLString, encoding: str) -> str:
    """The text of an ILL-String, as it is.

    Args:
        value: the string, whose octets stay as they are.
        encoding: the character set of whoever wrote it; what is not valid UTF-8 is read as Latin-1.
    """
    return value.text if encoding == "utf-8" else value.octets.decode(encoding, errors="replace")


def symbol_of(system_id: SystemId | None) -> Symbol | None:
    """The symbol in a System-Id, whether it is given as a person's or an institution's; None without one."""
    if system_id is None or system_id.person_or_institution_symbol is None:
        return None
    _, value = system_id.person_or_institution_symbol.chosen
    text = text_of(value)
    return None if text is None else Symbol.parse(text)


def system_id_of(symbol: Symbol) -> SystemId:
    """The System-Id by which we name an institution."""
    return SystemId(
        person_or_institution_symbol=PersonOrInstitutionSymbol(
            institution_symbol=GeneralString.from_text(str(symbol))
        )
    )


def is_well_formed(transaction_id: TransactionId) -> bool:
    """Whether both qualifiers say something: without them no transaction can be found again."""
    return bool(
        text_of(transaction_id.transaction_group_qualifier) and text_of(transaction_id.transaction_qualifier)
    )


def canonical_transaction(transaction_id: TransactionId, requester: Symbol | None) -> bytes:
    """The key under which a transaction is kept, the same for every spelling of one Transaction-Id.

    Args:
        transaction_id: as it came.
        requester: who began the transaction, under the symbol that we know it by; it stands for the
            initial-requester-id, which may be absent or spelt in several ways.
    """
    parts = (
        b"" if requester is None else f"{(requester.authority or '').casefold()}:{requester.symbol}".encode(),
        transaction_id.transaction_group_qualifier.octets.strip(),
        transaction_id.transaction_qualifier.octets.strip(),
        b""
        if transaction_id.sub_transaction_qualifier is None
        else transaction_id.sub_transaction_qualifier.octets.strip(),
    )
    return b"".join(len(part).to_bytes(4, "big") + part for part in parts)


def request_number(transaction_id: TransactionId) -> str:
    """The ILL number as people read it: both qualifiers, and the sub-transaction's where there is one."""
    parts = (
        transaction_id.transaction_group_qualifier,
        transaction_id.transaction_qualifier,
        transaction_id.sub_transaction_qualifier,
    )
    return "/".join(part.text for part in parts if part is not None)


def profile_digest(description: str) -> str:
    """A short digest of the partner profile under which a message was classified."""
    return hashlib.sha256(description.encode()).hexdigest()[:16]
