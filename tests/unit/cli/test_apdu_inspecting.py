"""`iso-gateway apdu decode|diff|lint`: what is said of octets, what differs, and with which exit code."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from asn1 import ill
from asn1.codec import encode
from asn1.extensions import (
    PASSWORD,
    ClientInfoContent,
    ClientInfoData,
    ClientInfoType,
    Encryption,
    EnumeratedPrompt,
    OCLCShippedExtension,
    PromptId,
    PromptObject1,
    PromptResponse,
    ResponseUnit,
    StandardClientInfoType,
    SupplementalClientInfo,
    encode_extension,
    make_extension,
    make_external,
)
from asn1.json import from_json
from asn1.schema import AnyValue, Arbitrary, BitString, GeneralString, Unlisted
from iso_gateway.cli.apdu import decode, tree
from tests.support import apdus, corpus
from tests.unit.cli.conftest import Command

HOSTILE = "\x1b[2J[bold]\u202e\n"
REQUEST = replace(
    apdus.ill_request(title=HOSTILE, note="soon"),
    iLL_request_extensions=(make_extension(OCLCShippedExtension(paymentMethod=GeneralString(b"IFM"))),),
)
#: A service that the standard does not list, which is tolerated, and a System-Id that names nobody.
ODD = replace(REQUEST, requester_id=ill.SystemId(), iLL_service_type=(Unlisted(77),))
UNLISTED_AT = encode(ODD).index(b"\x0a\x01\x4d")
#: Where the title begins, and the component before it ends.
CUT = encode(REQUEST).index(b"\xa4", encode(REQUEST).index(b"Atwood"))
VERSION_AT = encode(REQUEST).index(b"\x80\x01\x02")
ITEM = "ILL-Request.iLL-request-extensions[0].item"

Write = Callable[[str, bytes], Path]


@pytest.fixture
def command() -> Command:
    return Command(None)


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(name: str, octets: bytes) -> Path:
        path = tmp_path / name
        path.write_bytes(octets)
        return path

    return write


@pytest.fixture
def good(write: Write) -> Path:
    return write("good.ber", encode(REQUEST))


@pytest.fixture
def odd(write: Write) -> Path:
    return write("odd.ber", encode(ODD))


@pytest.fixture
def cut(write: Write) -> Path:
    return write("cut.ber", encode(REQUEST)[: CUT + 1])


class TestDecode:
    def test_extensions_are_typed(self, command: Command, good: Path) -> None:
        shown = command.text("apdu", "decode", good)
        assert (
            "      item:\n"
            "        direct-reference: 1.0.10161.13.1000.2.6\n"
            "        single-ASN1-type:\n"
            "          OCLC-Shipped-Extension:\n"
            "            paymentMethod: IFM\n"
        ) in shown
        assert "!" not in shown

    def test_what_was_tolerated_and_what_is_broken_stands_at_its_component(
        self, command: Command, odd: Path
    ) -> None:
        lines = command.text("apdu", "decode", odd).splitlines()
        place = lines.index("    1: unlisted (77)")
        assert lines[place + 1] == f"      ! tolerated: unlisted-value at offset {UNLISTED_AT}"
        assert lines[place + 2].startswith("      ! rule unlisted-value (warning): ")
        place = lines.index("  requester-id:")
        assert lines[place + 1].startswith("    ! rule system-id-member (warning): person-or-")
        assert lines[-1] == "tolerated: 1; rules broken: 2"

    def test_offsets_and_octets(self, command: Command, good: Path) -> None:
        octets = encode(REQUEST)
        lines = command.text("apdu", "decode", good, "--offsets", "--hex").splitlines()
        assert lines[0].split() == ["0", str(len(octets)), *octets[:8].hex(" ").split(), "..", "ILL-Request"]
        version = next(line for line in lines if "protocol-version-num" in line)
        assert version.split() == [str(VERSION_AT), "3", "80", "01", "02", "protocol-version-num:", "2"]
        # The tree itself is as it is without the columns.
        margin = lines[0].index("ILL-Request")
        assert [line[margin:] for line in lines] == command.text("apdu", "decode", good).splitlines()

    def test_all_octets_in_full(self, command: Command, write: Write) -> None:
        note = bytes(range(0x41, 0x5A))
        path = write("long.ber", encode(apdus.ill_request(note=note)))
        shown = command.text("apdu", "decode", path, "--hex", "--full")
        whole = bytes.fromhex("bf2e1b1b19") + note
        for start in range(0, len(whole), 8):
            assert whole[start : start + 8].hex(" ") in shown
        shown = command.text("apdu", "decode", path, "--hex", "--offsets", "--full")
        assert f"\n{' ' * 16}{whole[8:16].hex(' ')}\n" in shown

    def test_a_default_that_is_not_written(self, command: Command, write: Write) -> None:
        omitted = next(one for one in corpus.variants() if one.transformation == "defaults-omitted")
        path = write("omitted.ber", omitted.octets)
        lines = command.text("apdu", "decode", path, "--offsets").splitlines()
        assert any(line.startswith(" " * 16) and line.endswith(" (default)") for line in lines)

    def test_what_was_read_before_the_octets_fail(self, command: Command, cut: Path) -> None:
        result = command("apdu", "decode", cut, code=1)
        lines = result.stdout.splitlines()
        assert lines[0] == "ILL-Request"
        assert "        institution-symbol: ILLUME:YAZ" in lines
        assert lines[-4:] == [
            "  item-id:",
            "    item-type: monograph (1)",
            "    author: Atwood, Margaret",
            f"    ! not read any further than offset {CUT}",
        ]
        error, reached, _, mark = result.stderr.splitlines()
        assert error.startswith("error: truncated: ")
        assert reached == f"read up to offset {CUT}, ILL-Request.item-id"
        assert mark.endswith("^^")

    def test_a_component_that_is_wrong(self, command: Command, write: Write) -> None:
        octets = encode(REQUEST).replace(b"\x0a\x01\x01", b"\x0a\x01\x00", 1)
        result = command("apdu", "decode", write("zero.ber", octets), "--offsets", code=1)
        assert result.stdout.splitlines()[-1].endswith(
            f"! not read any further than offset {octets.index(bytes.fromhex('0a0100'))}"
        )
        error, window, mark = result.stderr.splitlines()
        assert "ILL-Request.iLL-service-type[0])" in error
        assert window[mark.index("^") :].startswith("0a 01 00")

    def test_a_component_that_is_wrong_before_the_octets_fail(self, command: Command, write: Write) -> None:
        octets = encode(REQUEST).replace(b"\x0a\x01\x01", b"\x0a\x01\x00", 1)[:-1]
        result = command("apdu", "decode", write("both.ber", octets), code=1)
        error, reached, *_ = result.stderr.splitlines()
        assert "truncated" in error
        assert "ILL-Request.iLL-service-type[0]: a value that" in reached

    def test_dialects(self, command: Command, odd: Path, write: Write) -> None:
        assert "does not list" in command("apdu", "decode", odd, "--dialect", "strict", code=1).stderr
        # The Perl library's way: no SEQUENCE in the APPLICATION tag.
        cancel = encode(apdus.cancel(REQUEST))
        assert cancel[1] < 0x80
        perl = write("perl.ber", bytes([cancel[0], cancel[1] - 2]) + cancel[4:])
        assert command("apdu", "decode", perl, code=1).stderr.startswith("error: ")
        shown = command.text("apdu", "decode", perl, "--dialect", "biblio-ill")
        assert shown.startswith("Cancel\n  ! tolerated: missing-sequence at offset 0\n")
        assert "dialect" in command.error("apdu", "decode", perl, "--dialect", "latin", code=2)

    def test_an_extension_that_is_not_what_it_says(self, command: Command, write: Write) -> None:
        item = make_extension(OCLCShippedExtension(paymentMethod=GeneralString(b"IFM"))).item.octets
        broken = item.replace(b"\x1b\x03IFM", b"\x1c\x03IFM")
        extension = ill.Extension(identifier=1, item=AnyValue(broken))
        path = write("broken.ber", encode(replace(REQUEST, iLL_request_extensions=(extension,))))
        shown = command.text("apdu", "decode", path)
        assert "            ! no value of this type: unexpected element" in shown
        assert f"{ITEM}.encoding.single-ASN1-type.OCLC-Shipped-Extension.paymentMethod" in shown

    def test_hostile_text_stays_harmless(self, command: Command, good: Path) -> None:
        for option in ((), ("--hex", "--offsets", "--full"), ("--json", "--offsets")):
            shown = command.text("apdu", "decode", good, *option)
            assert not {"\x1b", "\u202e"} & set(shown)
            assert "[bold]" in shown


class TestReference:
    def test_the_same(self, command: Command, good: Path) -> None:
        assert command.text("apdu", "decode", good, "--reference").endswith("\npyasn1 reads the same\n")
        shape = command.json("apdu", "decode", good, "--reference")
        assert shape["reference"] == {"apdu": shape["apdu"], "error": None, "same": True}

    def test_both_refuse(self, command: Command, cut: Path) -> None:
        assert "pyasn1 refuses it too: " in command("apdu", "decode", cut, "--reference", code=1).stdout
        shape = json.loads(command("apdu", "decode", cut, "--reference", "--json", code=1).stdout)
        assert shape["reference"]["same"] is True
        assert shape["reference"]["error"]["reason"].startswith("truncated")

    def test_only_we_read_it(self, command: Command, write: Write) -> None:
        unknown = replace(apdus.cancel(REQUEST), unknown=(AnyValue(bytes.fromhex("9f3900")),))
        path = write("unknown.ber", encode(unknown))
        shown = command.text("apdu", "decode", path, "--reference")
        assert "  unknown: 9f 39 00 (3 octets)\n" in shown
        assert "\npyasn1 refuses it: unexpected element [57]" in shown
        assert command.json("apdu", "decode", path, "--reference")["reference"]["same"] is False

    def test_only_pyasn1_reads_it(self, command: Command, odd: Path) -> None:
        result = command("apdu", "decode", odd, "--reference", "--dialect", "strict", code=1)
        assert "\npyasn1 reads it:\nILL-Request\n" in result.stdout
        assert "    1: unlisted (77)\n" in result.stdout

    def test_a_difference(self, command: Command, good: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def otherwise(_octets: bytes) -> ill.ILLApdu:
            return replace(REQUEST, retry_flag=True)

        monkeypatch.setattr(decode, "second_opinion", otherwise)
        shown = command.text("apdu", "decode", good, "--reference")
        assert shown.endswith(
            "\npyasn1 reads it otherwise (ours -> pyasn1's):\nILL-Request.retry-flag: FALSE -> TRUE\n"
        )
        assert command.json("apdu", "decode", good, "--reference")["reference"]["same"] is False


class TestDecodeAsJson:
    def test_what_was_tolerated_and_what_is_broken(self, command: Command, odd: Path) -> None:
        shape = command.json("apdu", "decode", odd)
        assert from_json(shape["apdu"]) == ODD
        (tolerance,) = shape["tolerances"]
        assert tolerance == {
            "kind": "unlisted-value",
            "offset": UNLISTED_AT,
            "path": "ILL-Request.iLL-service-type[0]",
        }
        assert {finding["rule"] for finding in shape["findings"]} == {"unlisted-value", "system-id-member"}
        assert all(finding["severity"] == "warning" for finding in shape["findings"])
        assert "components" not in shape

    def test_places(self, command: Command, good: Path) -> None:
        octets = encode(REQUEST)
        shape = command.json("apdu", "decode", good, "--offsets", "--hex")
        rows: dict[str, Any] = {row["path"]: row for row in shape["components"]}
        assert rows["ILL-Request"]["length"] == len(octets)
        row = rows["ILL-Request.protocol-version-num"]
        assert row == {
            "path": "ILL-Request.protocol-version-num",
            "offset": VERSION_AT,
            "length": 3,
            "complete": True,
            "value": "2",
            "octets": {"hex": "800102"},
        }

    def test_octets_that_are_no_apdu(self, command: Command, cut: Path, write: Write) -> None:
        result = command("apdu", "decode", cut, "--json", code=1)
        assert result.stderr == ""
        shape = json.loads(result.stdout)
        assert shape["apdu"] is None
        assert shape["error"]["kind"] == "badly-structured-APDU"
        assert shape["read_up_to"] == {"offset": CUT, "path": "ILL-Request.item-id", "reason": None}
        assert shape["components"][-1]["path"] == "ILL-Request.item-id.author"
        nothing = command("apdu", "decode", write("empty", b""), "--json", code=1)
        assert json.loads(nothing.stdout)["components"] == []


class TestDiff:
    def test_the_same_octets(self, command: Command, good: Path) -> None:
        assert command.text("apdu", "diff", good, good) == "the same octets\n"
        assert command.json("apdu", "diff", good, good) == {
            "same_value": True,
            "same_octets": True,
            "first_different_octet": None,
            "differences": [],
            "encoding": [],
        }

    def test_only_the_encoding(self, command: Command, write: Write) -> None:
        variant = next(
            one for one in corpus.variants() if one.transformation == "indef-all" and one.equal_to is not None
        )
        assert variant.equal_to is not None
        old, new = write("old", variant.equal_to), write("new", variant.octets)
        first, change = command.text("apdu", "diff", old, new).splitlines()
        assert first.startswith("the same value; only the encoding differs, from offset ")
        assert change.startswith("as the gateway writes it -> indefinite length: ")
        assert change.endswith(" more components")
        full = command.text("apdu", "diff", old, new, "--full").splitlines()
        assert len(full) == int(change.split()[-3]) + 2
        shape = command.json("apdu", "diff", old, new)
        assert shape["same_value"] is True
        assert shape["same_octets"] is False
        assert len(shape["encoding"]) == len(full) - 1
        assert shape["encoding"][0]["new"] == ["indefinite length"]

    def test_other_values(self, command: Command, good: Path, write: Write) -> None:
        new = write(
            "new",
            encode(replace(REQUEST, requester_note=None, retry_flag=True, iLL_request_extensions=())),
        )
        lines = command.text("apdu", "diff", good, new, code=1).splitlines()
        assert lines[:2] == [
            "ILL-Request.retry-flag: FALSE -> TRUE",
            "ILL-Request.requester-note: soon -> (absent)",
        ], lines
        assert "ILL-Request.iLL-request-extensions: (absent) -> (empty)" in lines
        shape = command.json("apdu", "diff", good, new, code=1)
        assert shape["differences"][0] == {"path": "ILL-Request.retry-flag", "old": "FALSE", "new": "TRUE"}
        assert [f"{one['path']}: {one['old']} -> {one['new']}" for one in shape["differences"]] == lines

    def test_a_component_without_components(self, command: Command, good: Path, odd: Path) -> None:
        shown = command.text("apdu", "diff", good, odd, code=1)
        assert "ILL-Request.requester-id: (absent) -> (empty)\n" in shown

    def test_other_types(self, command: Command, good: Path, write: Write) -> None:
        cancel = write("cancel", encode(apdus.cancel(REQUEST)))
        assert command.text("apdu", "diff", good, cancel, code=1) == "ILL-Request -> Cancel\n"

    def test_files_that_cannot_be_read(self, command: Command, good: Path, cut: Path, tmp_path: Path) -> None:
        error = command.error("apdu", "diff", cut, tmp_path / "none", code=2)
        assert error.splitlines()[0].startswith(f"error: {cut}: truncated")
        assert "No such file" in error.splitlines()[1]
        assert command.error("apdu", "diff", good, cut, code=2).count("error: ") == 1
        assert command.error("apdu", "diff", good, code=2)

    def test_hostile_text_stays_harmless(self, command: Command, good: Path, write: Write) -> None:
        new = write("new", encode(apdus.ill_request(title="Surfacing" + HOSTILE, note="soon")))
        shown = command.text("apdu", "diff", good, new, code=1)
        assert "\\x1b[2J[bold]\\u202e\\n" in shown
        assert not {"\x1b", "\u202e"} & set(shown)


class TestLint:
    def test_nothing_is_wrong(self, command: Command, good: Path) -> None:
        assert command.text("apdu", "lint", good, "--strict") == "1 file: nothing is wrong\n"

    def test_one_line_each(self, command: Command, good: Path, odd: Path, cut: Path, tmp_path: Path) -> None:
        missing = tmp_path / "none"
        lines = command.text("apdu", "lint", good, odd, cut, missing, code=1).splitlines()
        service = "ILL-Request.iLL-service-type[0]"
        assert lines[0] == (f"{odd}: {service}: unlisted-value: tolerated at offset {UNLISTED_AT}")
        assert lines[1].startswith(
            f"{odd}: ILL-Request.requester-id.person-or-institution-symbol: system-id-"
        )
        assert lines[2] == f"{odd}: {service}: unlisted-value: a value that the standard does not list"
        assert lines[3].startswith(f"{cut}: unreadable: truncated")
        assert lines[4].startswith(f"{missing}: unreadable: cannot read")
        assert lines[5] == "4 files: 2 unreadable, 2 warnings, 1 tolerated"
        assert len(lines) == 6

    def test_an_unreadable_component_is_named(self, command: Command, write: Write) -> None:
        path = write("zero.ber", encode(REQUEST).replace(b"\x0a\x01\x01", b"\x0a\x01\x00", 1))
        line, summary = command.text("apdu", "lint", path, code=1).splitlines()
        assert line.startswith(f"{path}: ILL-Request.iLL-service-type[0]: unreadable: a value that")
        assert summary == "1 file: 1 unreadable"

    def test_severities(self, command: Command, odd: Path) -> None:
        command.text("apdu", "lint", odd, code=0)
        command.text("apdu", "lint", odd, "--strict", code=1)
        rules = ("--rule", "unlisted-value=off", "--rule", "system-id-member=error")
        shown = command.text("apdu", "lint", odd, *rules, code=1)
        assert " anybody (error)\n" in shown
        assert shown.endswith("1 file: 1 error, 1 tolerated\n")
        off = ("--rule", "unlisted-value=off", "--rule", "system-id-member=off")
        assert command.text("apdu", "lint", odd, *off).endswith("1 file: 1 tolerated\n")
        # What was tolerated counts, too, where one is strict.
        command.text("apdu", "lint", odd, *off, "--strict", code=1)

    @pytest.mark.parametrize(
        ("rule", "said"),
        [
            ("unlisted-valu=off", "did you mean 'unlisted-value'"),
            ("zzz=off", "there is no rule 'zzz'"),
            ("date", "one of error, warning, off"),
            ("date=fatal", "one of error, warning, off"),
        ],
    )
    def test_rules_that_do_not_exist(self, command: Command, good: Path, rule: str, said: str) -> None:
        assert said in command.error("apdu", "lint", good, "--rule", rule, code=2)

    def test_as_json(self, command: Command, odd: Path, cut: Path) -> None:
        shape = command.json("apdu", "lint", odd, cut, code=1)
        findings = shape.pop("findings")
        assert shape == {"files": 2, "unreadable": 1, "error": 0, "warning": 2, "tolerated": 1}
        assert [finding["severity"] for finding in findings] == [
            "tolerated",
            "warning",
            "warning",
            "unreadable",
        ]
        assert all(finding["file"] in (str(odd), str(cut)) for finding in findings)

    def test_the_dialect(self, command: Command, odd: Path) -> None:
        assert command.text("apdu", "lint", odd, "--dialect", "strict", code=1).endswith("1 unreadable\n")

    def test_a_file_with_a_hostile_name(self, command: Command, write: Write) -> None:
        path = write("\x1b[2J\u202e", b"")
        shown = command.text("apdu", "lint", path, code=1)
        assert not {"\x1b", "\u202e"} & set(shown)


PATRON = SupplementalClientInfo(
    elements=(
        ClientInfoData(
            infoType=ClientInfoType(standard=StandardClientInfoType.wholeName),
            infoContent=(ClientInfoContent(stringContent=GeneralString(b"A. Patron")),),
        ),
    )
)


class TestPatronData:
    def test_it_is_shown_of_a_file_that_the_operator_names(self, command: Command, write: Write) -> None:
        request = replace(REQUEST, iLL_request_extensions=(make_extension(PATRON),))
        shown = command.text("apdu", "decode", write("patron.ber", encode(request)))
        assert "          SupplementalClientInfo:\n" in shown
        assert "standard: wholeName (30)\n" in shown
        assert "stringContent: A. Patron\n" in shown

    def test_it_is_hidden_where_a_message_is_shown(self) -> None:
        request = replace(REQUEST, iLL_request_extensions=(make_extension(PATRON),))
        octets = b"A. Patron".hex(" ")
        lines = "\n".join(line.plain for line in tree.tree(request, full=True))
        assert "SupplementalClientInfo: hidden: it names the patron" in lines
        assert "A. Patron" not in lines
        assert octets not in lines
        lines = "\n".join(line.plain for line in tree.tree(request, with_patron_data=True))
        assert "stringContent: A. Patron" in lines

    def test_it_is_hidden_however_it_is_packed(self) -> None:
        # In no place of its own in the octets: not even where it is can be said.
        packed = replace(make_external(PATRON), encoding=Arbitrary(BitString(encode_extension(PATRON))))
        received = replace(apdus.received(REQUEST), supplemental_item_description=(packed,))
        lines = "\n".join(line.plain for line in tree.tree(received))
        assert "SupplementalClientInfo: hidden: it names the patron" in lines
        assert b"A. Patron".hex(" ") not in lines

    def test_so_is_a_password(self) -> None:
        login = PromptObject1(
            response=(
                ResponseUnit(
                    promptId=PromptId(enumeratedPrompt=EnumeratedPrompt(type=PASSWORD)),
                    promptResponse=PromptResponse(string=b"sesame"),
                ),
                ResponseUnit(
                    promptId=PromptId(nonEnumeratedPrompt=b"key"),
                    promptResponse=PromptResponse(encrypted=Encryption(data=b"\x01\x02")),
                ),
            )
        )
        request = replace(REQUEST, iLL_request_extensions=(make_extension(login),))
        hidden = "\n".join(line.plain for line in tree.tree(request, full=True))
        assert "PromptObject1: hidden: it may hold a password" in hidden
        assert "sesame" not in hidden
        assert b"sesame".hex(" ") not in hidden
        shown = "\n".join(line.plain for line in tree.tree(request, with_patron_data=True))
        assert "string: sesame" in shown
        assert "data: 01 02 (2 octets)" in shown
