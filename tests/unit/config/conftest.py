"""A small configuration on disk that is right, for tests to put something wrong into."""

from collections.abc import Callable
from pathlib import Path

import pytest

from config.errors import ConfigErrors
from config.loading import load

GATEWAY = """
state_dir = "state"
partner_dirs = ["partners"]
profile_dirs = ["profiles"]
[[listeners]]
name = "one-way"
mode = "one-way"
host = "127.0.0.1"
port = 1611
[[local]]
name = "BEX"
symbol = "ILLUME:BEX"
"""

PARTNER = """
name = "AAA"
symbols = ["ILLUME:AAA"]
[transport]
kind = "tcp"
host = "aaa.example"
port = 1611
"""

Site = Callable[[dict[str, str]], Path]
Problems = Callable[[dict[str, str]], list[str]]


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """Returns a function that writes files over the right configuration and returns its gateway.toml."""

    def write(files: dict[str, str]) -> Path:
        for name, content in ({"gateway.toml": GATEWAY, "partners/aaa.toml": PARTNER} | files).items():
            file = tmp_path / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content.encode("utf-8", "surrogateescape"))
        (tmp_path / "profiles").mkdir(exist_ok=True)
        return tmp_path / "gateway.toml"

    return write


@pytest.fixture
def problems(site: Site, tmp_path: Path) -> Problems:
    """Returns a function that loads such a configuration and returns what is said against it."""

    def of(files: dict[str, str]) -> list[str]:
        with pytest.raises(ConfigErrors) as caught:
            load(site(files))
        return [line.replace(f"{tmp_path}/", "") for line in str(caught.value).split("\n")]

    return of
