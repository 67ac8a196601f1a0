"""Links to documents: what is one, and those in what a library wrote."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iso_gateway import links
from iso_gateway.errors import PrimitiveInvalidError


@pytest.mark.parametrize(
    "url",
    [
        "https://illume.example/document/7?key=a%20b&x=1#p",
        "http://192.0.2.7:8080/d",
        "https://[2001:db8::7]/d",
    ],
)
def test_a_link(url: str) -> None:
    assert links.checked(url) == url
    assert links.found_in(f"See <{url}>, please.") == (url,)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("ftp://illume.example/d", "is none"),
        ("javascript:alert(1)", "is none"),
        ("//illume.example/d", "is none"),
        ("https:///d", "is none"),
        ("https://illume.example/d\r\nBcc: x", "is none"),
        ("https://illume.example/a b", "is none"),
        ("https://illume.example/é", "is none"),
        ('https://illume.example/"onclick="', "is none"),
        ("https://[illume", "is none"),
        ("https://illume.example:99999/d", "is none"),
        ("https://anna:secret@illume.example/d", "a user or a password"),
        ("https://anna@illume.example/d", "a user or a password"),
        ("https://illume.example/" + "a" * 2000, "longer than 2000"),
        ("", "is none"),
    ],
)
def test_what_is_no_link_is_refused_and_not_repeated(url: str, said: str) -> None:
    with pytest.raises(PrimitiveInvalidError, match=said) as caught:
        links.checked(url)
    assert url == "" or url not in str(caught.value)


def test_links_in_a_text() -> None:
    text = "Two: https://a.example/1. (https://b.example/2), again https://a.example/1; HTTP://c.example"
    assert links.found_in(text) == ("https://a.example/1", "https://b.example/2", "HTTP://c.example")
    assert links.found_in("https://a:b@c.example ftp://d.example www.e.example") == ()


@given(st.text())
def test_whatever_is_found_can_be_given(text: str) -> None:
    for url in links.found_in(text):
        assert links.checked(url) == url
        assert url in text
