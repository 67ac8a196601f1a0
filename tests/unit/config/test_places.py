"""What there is at a path: what may not be looked at counts as not there."""

import socket
from pathlib import Path

import pytest

from config import places


def test_each_kind_is_told_from_the_others(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "directory").mkdir()
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(str(tmp_path / "socket"))
        paths = [tmp_path / name for name in ("file", "directory", "socket", "nothing")]
        found = {
            path.name: (places.exists(path), places.is_directory(path), places.is_socket(path))
            for path in paths
        }
    assert found == {
        "file": (True, False, False),
        "directory": (True, True, False),
        "socket": (True, False, True),
        "nothing": (False, False, False),
    }


@pytest.mark.parametrize(
    "error", [PermissionError(13, "Permission denied"), ValueError("embedded null byte")]
)
def test_what_may_not_be_looked_at_is_not_there(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_path: Path) -> bool:
        raise error

    for name in ("exists", "is_dir", "is_socket", "iterdir"):
        monkeypatch.setattr(Path, name, refuse)
    path = Path("anywhere")
    assert not any((places.exists(path), places.is_directory(path), places.is_socket(path)))
    assert places.listed(path) == ()


def test_a_directory_is_listed_by_name(tmp_path: Path) -> None:
    for name in ("b", "a", "c"):
        (tmp_path / name).touch()
    assert [path.name for path in places.listed(tmp_path)] == ["a", "b", "c"]
    assert places.listed(tmp_path / "a") == places.listed(tmp_path / "d") == ()
