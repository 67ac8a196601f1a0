"""`iso-gateway apdu decode|encode`, and what `send` and `listen` make of wrong arguments."""

import io
import json
import socket
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from threading import Event

import pytest

from adapters.errors import DeliveryFailed, Failure
from adapters.tcp_sender import TcpSender
from asn1.codec import decode, encode
from asn1.ill import ILLRequest
from asn1.json import from_json, to_json
from asn1.schema import Arbitrary, BitString, External, ObjectIdentifier, OctetAligned
from iso_gateway.cli.apdu import commands, connection, files, tree
from iso_gateway.errors import GatewayError
from tests.support import apdus, corpus
from tests.unit.cli.conftest import Command

HOSTILE = "\x1b[2J[bold]\u202e\n"
OCTETS = encode(apdus.ill_request(title=HOSTILE, note="n" * 5_000))


@pytest.fixture
def command() -> Command:
    return Command(None)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "request.ber"
    path.write_bytes(OCTETS)
    return path


class TestDecode:
    def test_a_tree_for_people(self, command: Command, file: Path) -> None:
        shown = command.text("apdu", "decode", file)
        assert shown.startswith("ILL-Request\n  protocol-version-num: 2\n")
        assert "\n  iLL-service-type:\n    1: loan (1)\n" in shown
        assert "\n  retry-flag: FALSE\n" in shown
        assert '    title: "\\x1b[2J[bold]\\u202e\\n"\n' in shown
        assert "n... (5000 characters)\n" in shown
        assert not {"\x1b", "\u202e"} & set(shown)
        assert "n" * 5_000 in command.text("apdu", "decode", file, "--full")

    def test_json_for_programs(self, command: Command, file: Path) -> None:
        shape = command.json("apdu", "decode", file)
        assert from_json(shape["apdu"]) == decode(OCTETS)
        assert (shape["tolerances"], shape["error"], shape["read_up_to"]) == ([], None, None)
        assert command.text("apdu", "decode", file, "--json").isascii()

    def test_texts_are_read_in_the_character_set_that_is_named(self, command: Command) -> None:
        # Two letters of Latin-1 that are one of UTF-8.
        written = encode(apdus.ill_request(title=b"caf\xc3\xa9"))
        for charset, title in (("utf-8", "caf\u00e9"), ("latin-1", "caf\u00c3\u00a9")):
            shown = command("apdu", "decode", "-", "--charset", charset, stdin=written).stdout
            assert f"title: {title}\n" in shown
        assert "is not one of" in command.error("apdu", "decode", "-", "--charset", "koi8-r", code=2)

    @pytest.mark.parametrize("form", [OCTETS.hex(), OCTETS.hex(" ", 2).upper() + "\n", OCTETS.hex("\n")])
    def test_hexadecimal_digits_stand_for_octets(self, command: Command, form: str) -> None:
        read = json.loads(command("apdu", "decode", "-", "--json", stdin=form.encode()).stdout)
        assert from_json(read["apdu"]) == decode(OCTETS)

    def test_octets_that_are_no_apdu(self, command: Command, file: Path) -> None:
        file.write_bytes(b"GET / HTTP/1.1\r\n")
        error = command.error("apdu", "decode", file)
        lines = error.splitlines()
        assert lines[0].startswith("error: ")
        assert "(offset 0)" in lines[0]
        assert lines[1:] == ["000000  47 45 54 20 2f 20 48 54 54 50 2f 31 2e 31 0d 0a", "        ^^"]

    def test_the_mark_stands_under_the_offset(self, command: Command, file: Path) -> None:
        file.write_bytes(OCTETS + b"\x99")
        result = command("apdu", "decode", file, code=1)
        *_, window, mark = result.stderr.splitlines()
        assert window[mark.index("^") :].startswith("99")

    def test_files_that_cannot_be_read(self, command: Command, tmp_path: Path) -> None:
        assert "No such file" in command.error("apdu", "decode", tmp_path / "none")
        assert "standard input" not in command.error("apdu", "decode", tmp_path)
        big = tmp_path / "big"
        with big.open("wb") as stream:
            stream.truncate(files.MOST_OCTETS + 1)
        assert "that is no APDU" in command.error("apdu", "decode", big)
        assert "odd number" in command.error("apdu", "decode", "-", stdin=b"613")
        assert command.error("apdu", "decode", "-", stdin=b"").startswith("error: ")

    @pytest.mark.parametrize("name", ["yaz", "yaz-enums"])
    def test_every_type_has_a_tree(self, name: str) -> None:
        for sample in corpus.samples("yaz" if name == "yaz" else "yaz-enums"):
            apdu = decode(sample.octets)
            lines = [line.plain for line in tree.tree(apdu, full=True)]
            assert lines[0] == apdu.asn1_name
            names = {line.strip().partition(":")[0] for line in lines}
            assert names >= set(to_json(apdu)[apdu.asn1_name])
            assert all(line.isprintable() for line in lines)

    def test_unlisted_values_and_externals(self) -> None:
        external = External(
            direct_reference=ObjectIdentifier("1.2.3"),
            indirect_reference=7,
            data_value_descriptor=b"what\x07",
            encoding=Arbitrary(BitString(b"\xf0", 4)),
        )
        obj = to_json(apdus.ill_request())
        obj["ILL-Request"]["iLL-service-type"] = ["responder-specific", 99]
        obj["ILL-Request"]["responder-specific-service"] = {
            "direct-reference": "1.2.3",
            "indirect-reference": 7,
            "data-value-descriptor": {"hex": external.data_value_descriptor.hex()}
            if external.data_value_descriptor
            else None,
            "encoding": {"arbitrary": {"hex": "f0", "unused-bits": 4}},
        }
        request = from_json(obj)
        assert isinstance(request, ILLRequest)
        assert request.responder_specific_service == external
        lines = [line.plain.strip() for line in tree.tree(request)]
        for line in (
            "2: unlisted (99)",
            "direct-reference: 1.2.3",
            "indirect-reference: 7",
            "data-value-descriptor: what\\x07",
            "arbitrary: f0 (1 octet), 4 bits of them unused",
        ):
            assert line in lines
        obj["ILL-Request"]["responder-specific-service"] = {"encoding": {"octet-aligned": {"hex": "00" * 40}}}
        request = from_json(obj)
        assert isinstance(request, ILLRequest)
        assert request.responder_specific_service == External(encoding=OctetAligned(bytes(40)))
        whole = "\n".join(line.plain for line in tree.tree(request))
        assert f"octet-aligned: {bytes(32).hex(' ')} ... (40 octets)" in whole


class TestEncode:
    def test_what_decode_wrote_is_read_back(self, command: Command, file: Path, tmp_path: Path) -> None:
        source = tmp_path / "request.json"
        source.write_text(command.text("apdu", "decode", file, "--json"), encoding="ascii")
        assert command("apdu", "encode", source).stdout_bytes == OCTETS
        assert command.text("apdu", "encode", source, "--hex") == f"{OCTETS.hex()}\n"
        output = tmp_path / "out.ber"
        assert command.text("apdu", "encode", source, "--output", output) == ""
        assert output.read_bytes() == OCTETS
        assert "cannot write" in command.error("apdu", "encode", source, "-o", tmp_path)

    def test_the_json_of_the_apdu_alone_is_read_too(self, command: Command) -> None:
        alone = json.dumps(to_json(decode(OCTETS))).encode()
        assert command("apdu", "encode", "-", stdin=alone).stdout_bytes == OCTETS

    @pytest.mark.parametrize(
        ("text", "reason"),
        [
            ('{"apdu": null, "error": {}}', "what was decoded is no APDU"),
            ('{"apdu": {"Shipped": {}, "Shipped": {}}}', "'Shipped' is given twice"),
            ('{"apdu": ', "no JSON"),
            ("[" * 100_000, "no JSON"),
            ("[]", "an object expected"),
        ],
    )
    def test_json_that_decode_did_not_write(self, command: Command, text: str, reason: str) -> None:
        assert reason in command.error("apdu", "encode", "-", stdin=text.encode())

    def test_json_that_is_no_apdu(self, command: Command) -> None:
        error = command.error("apdu", "encode", "-", stdin=b'{"Shiped": {}}')
        assert "standard input is no APDU in JSON" in error
        assert "did you mean 'Shipped'" in error

    def test_octets_do_not_go_to_a_terminal(
        self, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        source = tmp_path / "request.json"
        source.write_text(json.dumps(to_json(decode(file.read_bytes()))), encoding="ascii")

        class Terminal(io.StringIO):
            def isatty(self) -> bool:
                return True

        terminal = Terminal()
        monkeypatch.setattr(sys, "stdout", terminal)
        with pytest.raises(GatewayError, match="confuse the terminal"):
            commands.encode(str(source))
        assert terminal.getvalue() == ""


class TestSend:
    @pytest.mark.parametrize("to", ["nowhere", ":1611", "host:", "host:0", "host:99999", "host:x"])
    def test_an_address_is_a_host_and_a_port(self, command: Command, file: Path, to: str) -> None:
        assert "HOST:PORT" in command.error("apdu", "send", file, "--to", to, code=2)

    def test_nobody_listens(self, command: Command, file: Path) -> None:
        with socket.socket() as bound:
            bound.bind(("127.0.0.1", 0))
            port = bound.getsockname()[1]
            error = command.error("apdu", "send", file, "--to", f"127.0.0.1:{port}")
        assert error.startswith(f"error: cannot connect to 127.0.0.1:{port}: ")

    def test_what_comes_back_is_shown(self, command: Command, file: Path) -> None:
        answer = encode(apdus.message(apdus.ill_request(), "Thank you"))
        with answering(answer) as (port, received):
            shown = command.text("apdu", "send", file, "--to", f"127.0.0.1:{port}", "--two-way")
            assert received.result(timeout=10) == OCTETS
        assert f"from 127.0.0.1:{port}, {len(answer)} octets:\nMessage\n" in shown
        assert "  note: Thank you\n" in shown

    def test_what_comes_back_and_cannot_be_read_is_dumped(self, command: Command, file: Path) -> None:
        with answering(b"220 mail.example ESMTP\x1b\r\n") as (port, _):
            shown = command.text("apdu", "send", file, "--to", f"127.0.0.1:{port}", "--two-way")
        assert "unreadable: " in shown
        assert "220 mail.example" in shown
        assert "\x1b" not in shown

    def test_what_comes_back_where_nothing_should_is_said(self, command: Command, file: Path) -> None:
        with answering(b"\x61\x00") as (port, _):
            result = command("apdu", "send", file, "--to", f"127.0.0.1:{port}")
        assert result.stdout == ""
        assert result.stderr == (
            "note: 2 octets came back, and were not looked at: --two-way shows what comes back\n"
        )

    def test_a_peer_that_does_not_end_the_connection_may_want_two_ways(
        self, command: Command, file: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(connection, "SEND_TIMEOUT", timedelta(seconds=0.2))
        with answering(b"", until=Event()) as (port, _):
            error = command.error("apdu", "send", file, "--to", f"127.0.0.1:{port}")
        assert error.startswith(f"error: 127.0.0.1:{port} did not end the connection")
        assert error.endswith("can be like that: try --two-way\n")

    def test_a_peer_that_breaks_the_connection_may_want_two_ways(
        self, command: Command, file: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async def broken(*_: object, **__: object) -> None:
            raise DeliveryFailed("it broke", temporary=True, ambiguous=True, failure=Failure.RESET)

        monkeypatch.setattr(TcpSender, "send", broken)
        assert "it broke; a port for two-way" in command.error("apdu", "send", file, "--to", "127.0.0.1:1")
        assert command.error("apdu", "send", file, "--to", "127.0.0.1:1", "--two-way") == "error: it broke\n"

    def test_a_peer_that_says_nothing_and_closes_is_not_waited_for(
        self, command: Command, file: Path
    ) -> None:
        with answering(b"") as (port, _):
            to = f"127.0.0.1:{port}"
            assert command.text("apdu", "send", file, "--to", to, "--two-way", "--wait", "3600") == ""


@contextmanager
def answering(octets: bytes, until: Event | None = None) -> Iterator[tuple[int, Future[bytes]]]:
    """A peer that takes one APDU, answers with these octets and closes; its port, and what it took.

    Args:
        octets: its answer.
        until: it closes only after this, which is set once the test is done with it.
    """
    with socket.create_server(("127.0.0.1", 0)) as server, ThreadPoolExecutor(1) as pool:
        server.settimeout(60)

        def serve() -> bytes:
            opened, _ = server.accept()
            with opened:
                taken = b""
                while len(taken) < len(OCTETS) and (data := opened.recv(65_536)):
                    taken += data
                opened.sendall(octets)
                if until is not None:
                    until.wait(10)
            return taken

        try:
            yield server.getsockname()[1], pool.submit(serve)
        finally:
            if until is not None:
                until.set()


class TestListen:
    def test_a_port_that_is_taken(self, command: Command) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            assert f"cannot listen on 127.0.0.1:{port}" in command.error("apdu", "listen", "--port", port)
