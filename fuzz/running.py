"""How a harness runs: what is instrumented, the octets to begin with, and the bounds on time and memory."""

import contextlib
import hashlib
import resource
import sys
import time
import tracemalloc
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Final

import atheris

ROOT: Final = Path(__file__).parent.parent
DICTIONARY: Final = ROOT / "fuzz" / "ber.dict"
WORK: Final = ROOT / "build" / "fuzz"
"""Where what was found, and what reached something new, is kept from run to run. Not in git."""
FOUND: Final = ROOT / "tests" / "fuzz" / "found"

MOST_SECONDS: Final = 2.0
"""CPU time for all properties of one input, some thirty decodings with instrumentation around each step."""
MOST_MEMORY: Final = 16 << 20
"""What one input may take at the same time, in octets."""
_LOOK_AT_MEMORY: Final = 997
"""One input in so many is watched by tracemalloc, which makes it ten times slower."""

_INSTRUMENTED: Final = [
    f"asn1.{module}"
    for module in (
        "codec",
        "contents",
        "elements",
        "exact",
        "extensions",
        "framing",
        "json",
        "readers",
        "rules",
        "tags",
        "writers",
    )
]
"""What guides the fuzzer. pyasn1 and the schema do not: what they do follows from what these do."""

OneInput = Callable[[bytes], None]


class CostError(AssertionError):
    """More time or memory than an input may cost."""


@contextlib.contextmanager
def instrumented() -> Iterator[None]:
    """Instrument the codec as it is imported, and the functions that it compiles from the schema."""
    with atheris.instrument_imports(include=_INSTRUMENTED):
        from asn1 import source

        compiled = source.Source.function

        def function(self: source.Source) -> Any:
            return atheris.instrument_func(compiled(self))

        source.Source.function = function  # type: ignore[method-assign]
        yield


def bounded(one_input: OneInput) -> OneInput:
    """Hold what an input costs to the bounds."""
    count = 0

    def run(data: bytes) -> None:
        nonlocal count
        count += 1
        watched = count % _LOOK_AT_MEMORY == 0
        if watched:
            tracemalloc.start()
        start = time.process_time()
        try:
            one_input(data)
        finally:
            spent = time.process_time() - start
            most = tracemalloc.get_traced_memory()[1] if watched else 0
            if watched:
                tracemalloc.stop()
        if spent > MOST_SECONDS * (10 if watched else 1):
            raise CostError(f"{spent:.2f} s of CPU time for {len(data)} octets")
        if most > MOST_MEMORY:
            raise CostError(f"{most} octets of memory for {len(data)} octets")

    return run


def run(
    name: str,
    one_input: OneInput,
    seeds: Iterable[bytes],
    mutate: Callable[[bytes, int, Callable[[bytes], bytes]], bytes] | None = None,
) -> None:
    """Fuzz until libFuzzer has enough: what it takes is on the command line, `-max_total_time=600` for one.

    Args:
        name: the harness, whose directory under build/fuzz has what was reached before.
        one_input: holds the properties to one input.
        seeds: what to begin with.
        mutate: what changes octets, besides libFuzzer.
    """
    corpus = WORK / name
    corpus.mkdir(parents=True, exist_ok=True)
    FOUND.mkdir(parents=True, exist_ok=True)
    for seed in seeds:
        (corpus / hashlib.sha256(seed).hexdigest()[:24]).write_bytes(seed)
    arguments = [sys.argv[0], f"-artifact_prefix={WORK}/{name}-", f"-dict={DICTIONARY}", "-timeout=20"]
    given = sys.argv[1:]
    files = [argument for argument in given if not argument.startswith("-")]
    options: dict[str, Any] = {}
    if mutate is not None:
        change = mutate

        def custom(data: bytes, max_size: int, seed: int) -> bytes:
            changed = change(data, seed, lambda octets: bytes(atheris.Mutate(octets, max_size)))
            return changed[:max_size]

        options["custom_mutator"] = custom
    atheris.Setup([*arguments, *given, *([] if files else [str(corpus)])], bounded(one_input), **options)
    sys.stderr.write(f"peak before: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10} MiB\n")
    atheris.Fuzz()
