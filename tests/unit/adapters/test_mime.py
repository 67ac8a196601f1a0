"""How mails are taken apart, within bounds."""

import base64
import email
import email.policy
import quopri
from email.message import EmailMessage

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.mime import (
    MailLimits,
    MailRefused,
    Part,
    address_in,
    from_base64,
    is_base64,
    parse,
    parse_header,
)

LIMITS = MailLimits(parts=20, depth=4, header_octets=2_000)


def mail(*lines: str, end: str = "\r\n") -> bytes:
    return end.join(lines).encode("latin-1")


def multipart(*parts: bytes, boundary: str = "b") -> bytes:
    header = f'Content-Type: multipart/mixed; boundary="{boundary}"\r\n\r\n'.encode("ascii")
    line = f"--{boundary}".encode("ascii")
    return (
        header
        + b"preamble\r\n"
        + b"".join(line + b"\r\n" + part + b"\r\n" for part in parts)
        + line
        + b"--\r\n"
    )


@pytest.mark.parametrize("end", ["\r\n", "\n"])
def test_the_header_is_unfolded_and_ends_at_the_blank_line(end: str) -> None:
    read = parse(mail("Subject: one", "\ttwo", "From : a@b", "", "body", "", "more", end=end), LIMITS)
    assert read.fields == (("subject", "one\ttwo"), ("from", "a@b"))
    assert read.body == mail("body", "", "more", end=end)


def test_what_is_no_field_says_nothing() -> None:
    read = parse(mail("From a@b Mon", "no colon", ": no name", "Subject: yes", "", "x"), LIMITS)
    assert read.fields == (("subject", "yes"),)


def test_a_mail_may_begin_with_its_body_or_have_none() -> None:
    assert parse(b"\r\nbody", LIMITS).body == b"body"
    assert parse(b"Subject: x", LIMITS).body == b""
    assert parse(b"", LIMITS) == Part(fields=(), body=b"")


def test_the_type_is_plain_text_where_none_is_readable() -> None:
    assert parse(b"Content-Type: ???\r\n\r\n", LIMITS).media_type == "text/plain"
    assert parse(b"Content-Type: Text/HTML; charset=x\r\n\r\n", LIMITS).media_type == "text/html"


def test_parameters_may_be_quoted_and_the_first_counts() -> None:
    read = parse(rb'Content-Type: a/b; One="x\"y; z" ; two=2;one=3' + b"\r\n\r\n", LIMITS)
    assert (read.parameter("one"), read.parameter("two"), read.parameter("three")) == ('x"y; z', "2", None)


def test_the_parts_of_a_multipart_are_read_and_those_within() -> None:
    inner = multipart(b"\r\nin", boundary="c")
    read = parse(multipart(b"\r\nfirst", inner, b"Content-Type: a/b\r\n\r\nlast\r\n"), LIMITS)
    assert [part.body for part in read.parts] == [b"first", inner.partition(b"\r\n\r\n")[2], b"last\r\n"]
    assert [part.media_type for part in read.walk()] == [
        "multipart/mixed", "text/plain", "multipart/mixed", "text/plain", "a/b",
    ]  # fmt: skip


@pytest.mark.parametrize("parameter", ["", "; boundary=c"])
def test_an_attached_mail_is_not_looked_into(parameter: str) -> None:
    attached = f"Content-Type: message/rfc822{parameter}\r\n\r\n".encode() + multipart(
        b"\r\nhidden", boundary="c"
    )
    assert [part.media_type for part in parse(multipart(attached), LIMITS).walk()] == [
        "multipart/mixed",
        "message/rfc822",
    ]


def test_a_mail_that_is_cut_off_has_the_parts_that_are_there() -> None:
    whole = multipart(b"\r\none", b"\r\ntwo")
    cut = whole[: whole.index(b"two") + 2]
    assert [part.body for part in parse(cut, LIMITS).parts] == [b"one", b"tw"]
    assert parse(b"Content-Type: multipart/mixed; boundary=b\r\n\r\nnothing", LIMITS).parts == ()


def test_a_boundary_that_is_not_the_mails_own_separates_nothing() -> None:
    read = parse(multipart(b"\r\n--bb\r\n--b x\r\n --b"), LIMITS)
    assert [part.body for part in read.parts] == [b"--bb\r\n--b x\r\n --b"]


def test_a_multipart_without_a_boundary_is_one_part() -> None:
    assert parse(b"Content-Type: multipart/mixed\r\n\r\nx", LIMITS).parts == ()


@pytest.mark.parametrize(
    ("octets", "reason"),
    [
        (multipart(*[b"\r\nx"] * 21), "it has more than 20 parts"),
        (b"Subject: " + b"x" * 3_000 + b"\r\n\r\n", "a header is longer than 2000 octets"),
        (b"x" * 3_000, "a header is longer than 2000 octets"),
        (multipart(b"A: " + b"x" * 3_000), "a header is longer than 2000 octets"),
    ],
)
def test_what_would_cost_too_much_is_refused(octets: bytes, reason: str) -> None:
    with pytest.raises(MailRefused) as refused:
        parse(octets, LIMITS)
    assert refused.value.reason == reason


def test_parts_nest_so_deep_and_no_deeper() -> None:
    deep = b"\r\nx"
    for number in range(4):
        deep = multipart(deep, boundary=f"b{number}")
    assert len(list(parse(deep, LIMITS).walk())) == 5
    with pytest.raises(MailRefused, match="nest deeper than 4"):
        parse(multipart(deep, boundary="b9"), LIMITS)


def test_twenty_parts_are_not_too_many() -> None:
    assert len(parse(multipart(*[b"\r\nx"] * 20), LIMITS).parts) == 20


def test_only_the_header_can_be_read() -> None:
    read = parse_header(b"Return-Path: <a@b.example>\r\n\r\n" + b"x" * 5_000, LIMITS)
    assert read == Part(fields=(("return-path", "<a@b.example>"),), body=b"")


@pytest.mark.parametrize(
    ("value", "address"),
    [
        ("ill@sfu.example", "ill@sfu.example"),
        (" <ill@sfu.example> ", "ill@sfu.example"),
        ('"Loans, <x@evil.example>" <ill@sfu.example>', "ill@sfu.example"),
        ("=?utf-8?q?SFU?= <ill+a=b@sfu.example>", "ill+a=b@sfu.example"),
        ("", None),
        ("<>", None),
        ("a@b.example, c@d.example", None),
        ("group: a@b.example;", None),
        ("<a@b.example> <c@d.example>", None),
        ("<a@b.example> (away)", None),
        ("<a@b.example", None),
        ("a b@c.example", None),
        ("a@b@c.example", None),
        ("a@b.example\x00", None),
        ("å@b.example", None),
        (f"{'x' * 65}@b.example", None),
        (f"{'x' * 2_000} <a@b.example>", None),
    ],
)
def test_one_address_is_one_address(value: str, address: str | None) -> None:
    assert address_in(value) == address


@pytest.mark.parametrize("value", ['"\\' * 30_000, ";" * 60_000, '"' * 60_000, "<" * 60_000])
def test_a_hostile_header_costs_little(value: str) -> None:
    assert address_in(value) is None
    read = Part(fields=(("content-type", f"multipart/mixed{value}"),), body=b"")
    assert read.parameter("boundary") is None


@given(st.binary(max_size=200))
def test_base64_is_read_however_it_is_laid_out(octets: bytes) -> None:
    text = base64.encodebytes(octets)
    assert from_base64(text) == octets
    assert from_base64(text.rstrip(b"=\n")) == octets, "padding left out"
    assert from_base64(text.replace(b"\n", b" \r\n\t!")) == octets
    assert is_base64(text) is bool(octets)


def test_base64_ends_at_its_padding() -> None:
    assert from_base64(b"YQ==\r\n-- \r\nscanned by us") == b"a"
    assert from_base64(b"YWJjZ") == b"abc", "a sign alone says less than an octet"


def test_what_is_not_only_base64_is_none() -> None:
    assert not is_base64(b"YQ==\r\n-- \r\n")
    assert not is_base64(b"\x61\x03\x80\x01\x01")
    assert not is_base64(b" \r\n")


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("base64", base64.encodebytes(b"\x61\x00\xff=")),
        (" BASE64 ", base64.encodebytes(b"\x61\x00\xff=")),
        ("quoted-printable", quopri.encodestring(b"\x61\x00\xff=").rstrip()),
        ("8bit", b"\x61\x00\xff="),
        ("unheard-of", b"\x61\x00\xff="),
    ],
)
def test_the_transfer_encoding_is_taken_off(encoding: str, body: bytes) -> None:
    part = Part(fields=(("content-transfer-encoding", encoding),), body=body)
    assert part.content() == b"\x61\x00\xff="


@given(
    st.lists(
        st.tuples(st.binary(max_size=100), st.sampled_from(["application/octet-stream", "image/png"])),
        min_size=1,
        max_size=5,
    )
)
def test_what_python_writes_is_read_as_python_reads_it(attachments: list[tuple[bytes, str]]) -> None:
    written = EmailMessage(policy=email.policy.SMTP)
    written["From"] = "ill@sfu.example"
    written.set_content("some text\nfor people\n")
    for octets, media_type in attachments:
        main, _, sub = media_type.partition("/")
        written.add_attachment(octets, maintype=main, subtype=sub, filename="x")
    read = parse(written.as_bytes(), MailLimits())
    assert address_in(read.first("from")) == "ill@sfu.example"
    theirs = email.message_from_bytes(written.as_bytes(), policy=email.policy.default)
    assert [(part.media_type, part.content()) for part in read.walk() if not part.parts][1:] == [
        (part.get_content_type(), part.get_payload(decode=True)) for part in theirs.iter_attachments()
    ]
