"""The real peer: libyaz reads what we write, and yaz-illclient sends us a request.

libyaz shares no line with the gateway, so what it reads in our octets is a judgement, and what it refuses is
a defect of ours until shown otherwise. The reverse does not hold: tests/corpus/README.md says why it is no
measure of what we must accept.

Everything here needs a tool that may be absent (`tests.support.peers`). Mark the tests `yaz`.
"""

import atexit
import json
import os
import shutil
import signal
import struct
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final, TypeAlias, assert_never

from tests.support.corpus import Reading
from tests.support.peers import require

SOURCE: Final = Path(__file__).parent.parent / "interop" / "yaz" / "illdump.c"

#: Seconds that a tool may take before the test fails: far more than it needs, far less than a hung run.
PATIENCE: Final = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """libyaz read the octets, all of them, and this is the value."""

    reading: Reading


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """libyaz did not read the octets, or there were octets after the APDU (code 0)."""

    #: The error number of ODR, which `message` puts into words.
    code: int
    #: Which check in libyaz failed.
    where: int
    message: str
    #: What was being read, outermost first.
    path: tuple[str, ...]
    #: The missing or wrong component, where libyaz knows it, or the empty string.
    element: str
    #: Octets read before the failure.
    offset: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Crashed:
    """libyaz was ended by a signal while it read the octets."""

    signal: signal.Signals


Verdict: TypeAlias = Read | Refused | Crashed


def judge_with_libyaz(apdus: Sequence[bytes]) -> list[Verdict]:
    """Let libyaz read each message and say what became of it; a crash on one does not spoil the others.

    Skips the test when libyaz or a C compiler is absent.
    """
    verdicts: list[Verdict] = []
    while len(verdicts) < len(apdus):
        rest = apdus[len(verdicts) :]
        run = subprocess.run(
            [_illdump()],
            input=b"".join(struct.pack(">I", len(apdu)) + apdu for apdu in rest),
            capture_output=True,
            timeout=PATIENCE,
            check=False,
        )
        # The line of a message that crashed the reader stays unfinished.
        verdicts += [_verdict(json.loads(line)) for line in run.stdout.split(b"\n")[:-1]]
        if run.returncode < 0:
            verdicts.append(Crashed(signal=signal.Signals(-run.returncode)))
        elif run.returncode > 0 or len(verdicts) != len(apdus):
            raise AssertionError(f"illdump failed with status {run.returncode}: {run.stderr!r}")
    return verdicts


def read_with_libyaz(apdus: Sequence[bytes]) -> list[Reading]:
    """Give what libyaz reads in each message, in the form of the corpus.

    Raises AssertionError, naming the message by its place in `apdus`, when libyaz does not read one of them
    to its last octet. Skips the test when libyaz or a C compiler is absent.
    """
    readings: list[Reading] = []
    for place, (apdu, verdict) in enumerate(zip(apdus, judge_with_libyaz(apdus), strict=True)):
        match verdict:
            case Read():
                readings.append(verdict.reading)
            case Refused() | Crashed():
                raise AssertionError(f"libyaz does not read message {place}: {verdict}: {apdu[:64].hex()}")
            case _:
                assert_never(verdict)
    return readings


def find_yaz_illclient() -> str:
    """Give the path of yaz-illclient, or skip the test: before it starts what would wait for the client."""
    return require(shutil.which("yaz-illclient"), "yaz-illclient", "apt-get install yaz-illclient")


def yaz_illclient(arguments: Sequence[str], port: int, directory: Path) -> subprocess.CompletedProcess[str]:
    """Run yaz-illclient against 127.0.0.1:`port` and wait for its end; from a coroutine, call it in a thread.

    Its exit status is 0 after a status report, 7 after an error report, 6 after any other answer or the end
    of the connection without one, 5 when the connection is reset and 3 when there is none. Its standard
    output is one line: `Ok`, the error, or the number of the APDU that it did not expect. The APDUs in
    readable form and the log are in its standard error, odd octets escaped. It writes the request to
    `directory`/req.apdu. Skips the test when it is absent.

    Raises subprocess.TimeoutExpired when no answer comes for a minute: the client itself would wait for ever.
    """
    return subprocess.run(
        [find_yaz_illclient(), *arguments, f"127.0.0.1:{port}"],
        cwd=directory,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        errors="backslashreplace",
        timeout=PATIENCE,
        check=False,
    )


def _verdict(line: dict[str, Any]) -> Verdict:
    if "reading" in line:
        return Read(reading=line["reading"])
    error = line["error"]
    return Refused(**{**error, "path": tuple(error["path"])})


@cache
def _illdump() -> Path:
    """Compile illdump once in a run, outside the tree, and give the program."""
    compiler = require(shutil.which("cc"), "a C compiler", "apt-get install gcc")
    pkg_config = require(shutil.which("pkg-config"), "pkg-config", "apt-get install pkg-config")
    flags = subprocess.run(
        [pkg_config, "--cflags", "--libs", "yaz"], capture_output=True, text=True, check=False
    )
    require(flags.returncode == 0, "libyaz", "apt-get install libyaz-dev")
    directory = Path(tempfile.mkdtemp(prefix="illdump-"))
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    program = directory / "illdump"
    command = [compiler, "-std=c11", "-Wall", "-Wextra", "-O1", "-o", os.fspath(program), os.fspath(SOURCE)]
    built = subprocess.run([*command, *flags.stdout.split()], capture_output=True, text=True, check=False)
    if built.returncode != 0 or built.stderr:
        raise AssertionError(f"illdump does not compile without a warning: {built.stderr}")
    return program
