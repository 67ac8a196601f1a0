"""ISBN and ISSN: read as people write them, and checked by their last digit (ISO 2108, ISO 3297)."""

import re


def isbn(written: str) -> str | None:
    """An ISBN of ten or thirteen characters, without the hyphens and blanks of print; None if it is none."""
    digits = _joined(written)
    if re.fullmatch(r"[0-9]{9}[0-9X]", digits) is not None and _weighted(digits) % 11 == 0:
        return digits
    if re.fullmatch(r"97[89][0-9]{10}", digits) is None:
        return None
    total = sum(int(digit) * (3 if place % 2 else 1) for place, digit in enumerate(digits))
    return digits if total % 10 == 0 else None


def issn(written: str) -> str | None:
    """An ISSN of eight characters, without the hyphen of print; None if it is none."""
    digits = _joined(written)
    is_one = re.fullmatch(r"[0-9]{7}[0-9X]", digits) is not None and _weighted(digits) % 11 == 0
    return digits if is_one else None


def isbn_10(isbn_13: str) -> str | None:
    """The ISBN of ten characters that one of thirteen had before 2007; None for one that never had any.

    Args:
        isbn_13: as `isbn` gives it.
    """
    if not isbn_13.startswith("978"):
        return None
    stem = isbn_13[3:12]
    check = -_weighted(stem + "0") % 11
    return stem + ("X" if check == 10 else str(check))


def _joined(written: str) -> str:
    return re.sub(r"[\s-]", "", written).upper()


def _weighted(digits: str) -> int:
    """The sum that is a multiple of 11 when the last digit is right; X counts ten."""
    values = (10 if digit == "X" else int(digit) for digit in reversed(digits))
    return sum(weight * value for weight, value in enumerate(values, start=1))
