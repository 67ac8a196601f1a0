"""Mutation testing: change the codec in one place after another, and see whether a test notices.

    python -m fuzz.mutants asn1/framing.py asn1/elements.py --seconds 600

The changes are those of mutmut. How it runs them is not: it chooses between variants of a function when the
function is called, but most functions here are called once for each type, and what they gave is kept, so that
a change would never be seen. Here each variant of a module is imported in a process of its own, which ends
with the first test that fails. What passes the quick tests meets those of tests/fuzz as well.
"""

import argparse
import ast
import io
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import hypothesis
import libcst as cst
import pyasn1.codec.ber.decoder
import pyasn1.codec.ber.encoder  # noqa: F401 - loaded once, before processes are split off
import pytest
from hypothesis import Phase
from mutmut.mutation import file_mutation
from mutmut.mutation.mutators import mutation_operators
from mutmut.mutation.pragma_handling import IgnoredCode

ROOT: Final = Path(__file__).parent.parent
_COPIED: Final = ("asn1", "config", "fuzz", "tests", "pyproject.toml")
FRAMING_TESTS: Final = ("tests/unit/asn1/test_framing.py", "tests/unit/asn1/test_framing_limits.py")
QUICK_TESTS: Final = (
    "tests/unit/asn1/test_codec.py",
    "tests/unit/asn1/test_common_form.py",
    "tests/unit/asn1/test_dialects.py",
    "tests/unit/asn1/test_elements.py",
)
OTHER_TESTS: Final = (
    "tests/unit/asn1/test_json.py",
    "tests/conformance/asn1/test_corpus.py",
    "tests/unit/asn1/test_extensions.py",
    "tests/conformance/asn1/test_dialects.py",
)
SLOW_TESTS: Final = (
    "tests/fuzz/test_found.py",
    "tests/fuzz/test_properties.py",
    "tests/fuzz/test_framing.py",
    "tests/fuzz/test_compiled.py",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """A module with one change in it."""

    module: str
    line: int
    function: str
    before: str
    after: str
    source: Callable[[], str]


class _EveryFunction(file_mutation.MutationVisitor):  # type: ignore[misc] # libcst visitors are untyped
    """Makes changes in decorated functions as well: here no copy of a function is made."""

    def _skip_node_and_children(self, node: cst.CSTNode) -> bool:
        if isinstance(node, cst.FunctionDef) and node.decorators:
            return False
        return bool(super()._skip_node_and_children(node))


def mutants(path: str) -> Iterator[Mutant]:
    """Give a module with each change that mutmut knows, one at a time.

    Left out are changes of what an error says, and what only spells a string in another case.
    """
    source = (ROOT / path).read_text(encoding="utf-8")
    wrapper = cst.MetadataWrapper(cst.parse_module(source))
    visitor = _EveryFunction(mutation_operators, IgnoredCode(set(), set(), set()), None)
    module = wrapper.visit(visitor)
    positions = wrapper.resolve(cst.metadata.PositionProvider)
    messages = _lines_of_errors(source)
    for mutation in visitor.mutations:
        old, new = mutation.original_node, mutation.mutated_node
        holder = mutation.contained_by_top_level_function
        line = positions[old].start.line
        spelling = isinstance(old, cst.SimpleString) and (line in messages or "XX" not in new.value)
        if not isinstance(holder, cst.FunctionDef) or spelling:
            continue
        yield Mutant(
            module=path,
            line=line,
            function=holder.name.value,
            before=module.code_for_node(old).strip(),
            after=module.code_for_node(new).strip(),
            source=partial(_changed, module, old, new),
        )


def _changed(module: cst.Module, old: cst.CSTNode, new: cst.CSTNode) -> str:
    changed = module.deep_replace(old, new)
    assert isinstance(changed, cst.Module)  # noqa: S101 - for mypy
    return str(changed.code)


def _lines_of_errors(source: str) -> frozenset[int]:
    """Give the lines of statements that raise an error, or make one to be raised."""
    lines: set[int] = set()
    for node in ast.walk(ast.parse(source)):
        made = isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
        if isinstance(node, ast.Raise) or (made and node.func.id in {"WireError", "_mistyped"}):  # type: ignore[attr-defined]
            lines.update(range(node.lineno, (node.end_lineno or node.lineno) + 1))  # type: ignore[attr-defined]
    return frozenset(lines)


def _fails(tests: tuple[str, ...], tree: Path, seconds: int) -> bool:
    """Whether a test fails, or they take longer than they may: what loops is noticed too.

    Each call is a process of its own, so that modules are imported anew.
    """
    child = os.fork()
    if child == 0:
        os.chdir(tree)
        sys.path[:0] = [str(tree)]
        sys.dont_write_bytecode = True
        code = 1
        sink = io.StringIO()
        try:
            with redirect_stdout(sink):
                there = [test for test in tests if (tree / test).exists()]
                # What failed is of no interest: nothing is explained, and no example is made smaller.
                hypothesis.settings.register_profile("mutants", phases=[Phase.explicit, Phase.generate])
                hypothesis.settings.load_profile("mutants")
                quietly = ["-x", "-q", "--tb=no", "--assert=plain", "-p", "no:cacheprovider"]
                code = int(pytest.main([*quietly, *there]))
        finally:
            os._exit(code)
    end = time.monotonic() + seconds
    while (waited := os.waitpid(child, os.WNOHANG))[0] == 0:
        if time.monotonic() > end:
            # No alarm within the child: pytest-timeout has the signal for itself.
            os.kill(child, signal.SIGKILL)
            waited = os.waitpid(child, 0)
            break
        time.sleep(0.01)
    return waited[1] != 0


def main() -> None:
    """Make mutants until the time is over, in an order of chance, and say which no test noticed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("modules", nargs="+")
    parser.add_argument("--seconds", type=float, default=720.0)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    every = [mutant for path in options.modules for mutant in mutants(path)]
    random.Random(options.seed).shuffle(every)  # noqa: S311 - a sample
    counts = Counter(mutant.module for mutant in every)
    tried: Counter[str] = Counter()
    survived: Counter[str] = Counter()
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as directory:
        tree = Path(directory)
        for name in _COPIED:
            if (ROOT / name).is_dir():
                shutil.copytree(ROOT / name, tree / name, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(ROOT / name, tree / name)
        seconds: dict[tuple[str, ...], int] = {}
        for tests in (FRAMING_TESTS, QUICK_TESTS, OTHER_TESTS, SLOW_TESTS):
            before = time.monotonic()
            if _fails(tests, tree, 300):
                raise SystemExit(f"without any change, one of these fails: {', '.join(tests)}")
            seconds[tests] = 2 + 2 * int(time.monotonic() - before)
        for mutant in every:
            if time.monotonic() - started > options.seconds:
                break
            tried[mutant.module] += 1
            if not _is_noticed(mutant, tree, seconds):
                survived[mutant.module] += 1
                where = f"{mutant.module}:{mutant.line} {mutant.function}"
                sys.stdout.write(f"{where}: {mutant.before!r} -> {mutant.after!r}\n")
                sys.stdout.flush()
    for path in options.modules:
        sys.stdout.write(f"{path}: {counts[path]} mutants, {tried[path]} tried, {survived[path]} survived\n")


def _is_noticed(mutant: Mutant, tree: Path, seconds: dict[tuple[str, ...], int]) -> bool:
    place = tree / mutant.module
    original = place.read_text(encoding="utf-8")
    place.write_text(mutant.source(), encoding="utf-8")
    framing = mutant.module.endswith("framing.py")
    stages = (FRAMING_TESTS, SLOW_TESTS) if framing else (QUICK_TESTS, OTHER_TESTS, SLOW_TESTS)
    try:
        return any(_fails(tests, tree, seconds[tests]) for tests in stages)
    finally:
        place.write_text(original, encoding="utf-8")


if __name__ == "__main__":
    main()
