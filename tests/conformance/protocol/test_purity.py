"""The machine stays pure: what it imports is looked up in its sources."""

import ast
from pathlib import Path

import pytest

import iso_gateway.protocol

MODULES = sorted(Path(next(iter(iso_gateway.protocol.__path__))).glob("*.py"))
ALLOWED = frozenset({"collections", "dataclasses", "datetime", "enum", "functools", "types", "typing"})


def imported(source: str) -> set[str]:
    """The full names of the modules that a source imports."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module or "")
    return names


def test_all_modules_are_looked_at() -> None:
    assert {"machine.py", "tables.py", "states.py"} <= {module.name for module in MODULES}


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.name)
def test_only_pure_modules_are_imported(module: Path) -> None:
    foreign = {
        name
        for name in imported(module.read_text(encoding="utf-8"))
        if name.split(".")[0] not in ALLOWED and not name.startswith("iso_gateway.protocol.")
    }
    assert foreign == set()


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.name)
def test_no_clock_is_read(module: Path) -> None:
    calls = {
        node.func.attr
        for node in ast.walk(ast.parse(module.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
    }
    assert not calls & {"now", "utcnow", "today"}
