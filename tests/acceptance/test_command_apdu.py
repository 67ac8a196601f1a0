"""The real command, as a subprocess: init, check, and APDUs from one command to another."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from asn1.codec import encode
from asn1.json import to_json
from tests.support import apdus

COMMAND = Path(sys.executable).parent / "iso-gateway"
PATIENCE = 60.0

REQUEST = apdus.ill_request()
OCTETS = encode(REQUEST)


def run(*arguments: str | Path | int, stdin: bytes = b"", code: int = 0) -> bytes:
    """Run the command, hold it to its exit code, and give its standard output, or error if it is to fail."""
    done = subprocess.run(
        [COMMAND, *map(str, arguments)], input=stdin, capture_output=True, timeout=PATIENCE, check=False
    )
    assert done.returncode == code, done
    return done.stderr if code else done.stdout


@contextmanager
def listening(*options: str) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """A command that listens, and its address."""
    with subprocess.Popen(
        [COMMAND, "apdu", "listen", "--port", "0", *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline().decode()
            if "--json" in options:
                where = json.loads(line)["listening"]
                yield process, f"{where['host']}:{where['port']}"
            else:
                assert line.startswith("listening on 127.0.0.1:")
                yield process, line.split()[-1]
        finally:
            process.kill()


def test_init_and_check(tmp_path: Path) -> None:
    run("init", tmp_path / "gateway")
    config = tmp_path / "gateway" / "gateway.toml"
    assert b"nothing is wrong" in run("check", "--config", config)
    config.write_text(config.read_text(encoding="utf-8").replace("state_dir", "stated_ir"), encoding="utf-8")
    assert b"stated_ir" in run("check", "--config", config, code=2)
    assert b"stated_ir" in run("serve", "--config", config, code=2)


def test_decode_and_encode_in_a_pipe() -> None:
    as_json = run("apdu", "decode", "--json", "-", stdin=OCTETS)
    assert json.loads(as_json)["apdu"] == to_json(REQUEST)
    assert run("apdu", "encode", "-", stdin=as_json) == OCTETS
    assert b"error: " in run("apdu", "decode", "-", stdin=b"\x61\x80", code=1)


@pytest.mark.parametrize("way", [(), ("--two-way",)])
def test_one_command_sends_what_another_shows(tmp_path: Path, way: tuple[str, ...]) -> None:
    file = tmp_path / "request.ber"
    file.write_bytes(OCTETS)
    with listening("--count", "2", *way) as (process, address):
        for _ in range(2):
            assert run("apdu", "send", file, "--to", address, *way, "--wait", "0.2") == b""
        shown, errors = process.communicate(timeout=PATIENCE)
    assert (process.returncode, errors) == (0, b"")
    assert shown.decode().count("title: The Penelopiad") == 2


def test_what_arrives_as_data_and_what_cannot_be_read(tmp_path: Path) -> None:
    request, garbage = tmp_path / "request.hex", tmp_path / "garbage"
    request.write_text(OCTETS.hex(), encoding="ascii")
    garbage.write_bytes(b"GET / HTTP/1.1\r\n")
    with listening("--count", "3", "--json") as (process, address):
        run("apdu", "send", request, "--to", address)
        run("apdu", "send", garbage, "--to", address)
        # BER, but none of the twenty.
        run("apdu", "send", "-", "--to", address, stdin=b"\x7e\x00")
        shown, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0
    first, second, third = (json.loads(line) for line in shown.splitlines())
    assert first["apdu"] == to_json(REQUEST)
    assert first["peer"].startswith("127.0.0.1:")
    assert bytes.fromhex(second["octets"]["hex"]) == garbage.read_bytes()
    assert second["error"]["offset"] == 0
    assert third["error"]["kind"] == "unrecognized-APDU"


def test_listening_ends_at_a_signal() -> None:
    with listening() as (process, _):
        process.terminate()
        _, errors = process.communicate(timeout=PATIENCE)
    assert (process.returncode, errors) == (0, b"")
