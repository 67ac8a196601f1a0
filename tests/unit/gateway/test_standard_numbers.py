"""ISBN and ISSN, against numbers that are known to be right and against every slip of one digit."""

import pytest

from iso_gateway.request.standard_numbers import isbn, isbn_10, issn


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("978-1-84195-645-9", "9781841956459"),
        ("979-10-90636-07-1", "9791090636071"),
        ("0-306-40615-2", "0306406152"),
        ("0 8044 2957 x", "080442957X"),
        ("\t0306406152\n", "0306406152"),
        ("0306406153", None),
        ("9781841956458", None),
        ("9771841956450", None),
        ("030640615", None),
        ("030640615X", None),
        ("X306406152", None),
        ("٠٣٠٦٤٠٦١٥٢", None),
        ("", None),
    ],
)
def test_isbn(written: str, expected: str | None) -> None:
    assert isbn(written) == expected


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("1234-5679", "12345679"),
        ("0028 0836", "00280836"),
        ("2434-561x", "2434561X"),
        ("1234-5678", None),
        ("1234-567", None),
        ("X234-5679", None),
        ("", None),
    ],
)
def test_issn(written: str, expected: str | None) -> None:
    assert issn(written) == expected


@pytest.mark.parametrize("number", ["9781841956459", "0306406152", "080442957X"])
def test_one_wrong_digit_is_found_out(number: str) -> None:
    for place, right in enumerate(number):
        for digit in "0123456789":
            if digit != right:
                assert isbn(number[:place] + digit + number[place + 1 :]) is None


@pytest.mark.parametrize(
    ("long", "short"),
    [
        ("9780306406157", "0306406152"),
        ("9780804429573", "080442957X"),
        ("9781841956459", "1841956457"),
        ("9791090636071", None),
    ],
)
def test_the_isbn_of_ten_characters_that_it_had_before(long: str, short: str | None) -> None:
    assert isbn(long) == long
    assert isbn_10(long) == short
    assert short is None or isbn(short) == short
