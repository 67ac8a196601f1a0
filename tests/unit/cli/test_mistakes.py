"""What newcomers get wrong: it is told in lines that name the file and what to do, and nothing is started."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from config import starter
from tests.unit.cli.conftest import Command

Mistake = Callable[[Path], object]


def in_file(name: str, old: str, new: str) -> Mistake:
    """Another text in a file of the configuration."""

    def make(place: Path) -> None:
        file = place / name
        content = file.read_text(encoding="utf-8")
        assert old in content
        file.write_text(content.replace(old, new), encoding="utf-8")

    return make


def in_gateway(old: str, new: str) -> Mistake:
    return in_file("gateway.toml", old, new)


def in_partner(old: str, new: str) -> Mistake:
    return in_file("partners/sfu.toml", old, new)


def encoded(encoding: str) -> Mistake:
    """The file saved in another encoding."""

    def make(place: Path) -> None:
        in_gateway("Bowen", "Bibliothèque")(place)
        file = place / "gateway.toml"
        file.write_bytes(file.read_text(encoding="utf-8").encode(encoding))

    return make


def instead(name: str, *, make: Callable[[Path], object] = Path.mkdir) -> Mistake:
    """Something else where a file or directory of partners was."""

    def replace(place: Path) -> None:
        path = place / name
        path.rename(place / "moved")
        make(path)

    return replace


def key_of_two_words(place: Path) -> None:
    (place / "state").mkdir()
    key = place / "state" / "master.key"
    key.write_text("open sesame", encoding="ascii")
    key.chmod(0o600)


def state_is_a_file(place: Path) -> None:
    (place / "state").touch()


def password_in_a_directory(place: Path) -> None:
    in_gateway("[logging]", '[mail]\nuser = "bex"\npassword_file = "partners"\n[logging]')(place)


def copied(place: Path) -> None:
    (place / "partners" / "sfu2.toml").write_bytes((place / "partners" / "sfu.toml").read_bytes())


def mail_without_a_way_in(place: Path) -> None:
    in_gateway('aliases = ["BEX"]', 'public_mail = "ill@bex.example"')(place)
    in_gateway("[logging]", "[mail]\n[logging]")(place)
    (place / "partners" / "mel.toml").write_text(
        'name = "MEL"\nsymbols = ["ILLUME:MEL"]\ntransport = {kind = "mail", address = "a@mel.example"}\n',
        encoding="ascii",
    )


#: Each with a part of what is said.
MISTAKES: Final[dict[str, tuple[Mistake, str]]] = {
    "a number in quotation marks": (
        in_gateway("port = 1611", 'port = "1611"'),
        "listeners[0].port: '1611' ca",
    ),
    "a text without": (in_gateway('"one-way"', "one-way"), "is not TOML: Invalid value (at line "),
    "typographic ones": (in_gateway('"ILLUME:BEX"', "“ILLUME:BEX”"), "texts in straight quotation marks"),
    "a capital": (in_gateway("status_queries = true", "status_queries = True"), "is not TOML: Invalid value"),
    "a misspelled key": (in_gateway("display_name", "displayname"), "unknown key; expected 'display_name'"),
    "a misspelled value": (
        in_gateway('mode = "one-way"', 'mode = "oneway"'),
        "expected one of 'one-way', 'two",
    ),
    "a key below a table": (in_gateway("[limits]", "[limits]\nroutes = []"), "it above the first [table]"),
    "a table in single brackets": (
        in_gateway("[[local]]", "[local]"),
        "each under its name in double brackets",
    ),
    "a table twice": (in_gateway("[sharing]", "[retry]"), "is not TOML: Cannot declare ('retry',) twice"),
    "a symbol in a number": (
        in_gateway('symbol = "ILLUME:BEX"', "symbol = 5"),
        "local[0].symbol: 5 is no text",
    ),
    "another's symbol": (in_partner("ILLUME:SFU", "ILLUME:KPU"), "is a symbol of the partner in "),
    "a partner copied": (copied, "sfu2.toml: name: the partner in "),
    "an unknown profile": (
        in_file("partners/kpu.toml", 'base = "', 'base = "x'),
        "is no base profile; expected",
    ),
    "a time zone": (in_gateway("America/Vancouver", "Vancouver"), "no time zone 'Vancouver' is known"),
    "a duration": (in_gateway('"5m"', '"5 min"'), "'5 min' is no duration; expected"),
    "one port twice": (in_gateway("port = 4990", "port = 1611"), "listeners[0] listens on port 1611 too"),
    "brackets around IPv6": (in_gateway('"127.0.0.1"', '"[::1]"'), "'[::1]' is no host; expected"),
    "a port with the host": (
        in_gateway('"127.0.0.1"', '"here:1611"'),
        "'here:1611' is no host and no address",
    ),
    "a URL for a host": (
        in_partner("ill.sfu.example", "tcp://ill.sfu.example"),
        "transport.host: 'tcp://ill",
    ),
    "Latin-1": (encoded("latin-1"), "is not UTF-8: line 20, octet e8"),
    "UTF-16": (encoded("utf-16"), "is not UTF-8: line 1, octet ff"),
    "a directory for the file": (instead("gateway.toml"), "cannot be read: Is a directory"),
    "a directory for a partner": (instead("partners/sfu.toml"), "sfu.toml: cannot be read: Is a directory"),
    "a file for the partners": (instead("partners", make=Path.touch), "cannot be read: Not a directory"),
    "nothing for the partners": (in_gateway('["partners"]', '["p"]'), "'p' cannot be read: No such file"),
    "a dangling link": (
        instead("partners/sfu.toml", make=lambda path: path.symlink_to("gone")),
        "sfu.toml: cannot be read: No such file or directory",
    ),
    "a master key that is none": (key_of_two_words, "is not base64 text; restore it from its copy"),
    "a file for the state": (state_is_a_file, "is no directory; expected a directory of the user"),
    "a directory for a password": (
        password_in_a_directory,
        "cannot be read: Is a directory; expected a file",
    ),
    "mail without a way in": (mail_without_a_way_in, "expected one of lmtp_host, lmtp_socket, maildir"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_it_is_told_in_clear_lines_by_check_and_at_the_start(name: str, tmp_path: Path) -> None:
    place = tmp_path / "gateway"
    gateway = starter.write(place)[0]
    mistake, said = MISTAKES[name]
    mistake(place)
    told = Command(gateway).error("check", code=2)
    assert said in told
    for line in told.splitlines():
        assert line.startswith(f"{place}{os.sep}")
        assert "; expected " in line
    assert Command(gateway).error("serve", code=2) == told


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("\n", "\r\n"),
        lambda text: f"\ufeff{text}",
        lambda text: text.replace('"127.0.0.1"', '"::1"'),
        lambda text: text.replace('host = "127.0.0.1"', 'host = "localhost"'),
    ],
)
def test_what_only_looks_wrong_is_right(change: Callable[[str], str], tmp_path: Path) -> None:
    gateway = starter.write(tmp_path)[0]
    gateway.write_bytes(change(gateway.read_text(encoding="utf-8")).encode())
    assert Command(gateway).text("check").endswith("; nothing is wrong\n")
