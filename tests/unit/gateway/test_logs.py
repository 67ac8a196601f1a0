"""Log lines: one an event, and nothing in them acts on a terminal."""

import io
import json
from collections.abc import Iterator

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from config.settings import LogFormat, Logging, LogLevel
from iso_gateway.logs import configure, escaped

HOSTILE = "a\x1b[2Jb\nc\r\u202ed\x00e\x9b31m\u2028\ud800"


@pytest.fixture(autouse=True)
def _unconfigured() -> Iterator[None]:
    yield
    structlog.reset_defaults()


def line(settings: Logging, **values: object) -> str:
    stream = io.StringIO()
    configure(settings, stream)
    structlog.stdlib.get_logger("test").info("apdu.processed", **values)
    return stream.getvalue()


class TestEscaped:
    @given(st.text(st.characters()))
    def test_nothing_is_left_that_a_terminal_could_act_on(self, text: str) -> None:
        assert escaped(text).isprintable()

    @given(st.text(st.characters(exclude_categories=("C", "Z"), include_characters=" ")))
    def test_what_can_be_shown_is_shown(self, text: str) -> None:
        assert escaped(text) == text

    def test_the_escapes_say_what_was_there(self) -> None:
        assert escaped(HOSTILE) == r"a\x1b[2Jb\nc\r\u202ed\x00e\x9b31m\u2028\ud800"


class TestConfigure:
    @pytest.mark.parametrize("form", LogFormat)
    def test_hostile_text_stays_on_its_line_and_does_nothing(self, form: LogFormat) -> None:
        written = line(Logging(format=form), reason=HOSTILE)
        assert written.endswith("\n")
        assert written[:-1].isprintable()
        assert "2Jb" in written

    def test_json_lines_are_read_back(self) -> None:
        record = json.loads(line(Logging(format=LogFormat.JSON), message_id=7, reason="a\nb"))
        assert record["event"] == "apdu.processed"
        assert record["level"] == "info"
        assert record["message_id"] == 7
        assert record["reason"] == r"a\nb"
        assert record["timestamp"].endswith("Z")

    def test_a_traceback_is_one_line(self) -> None:
        stream = io.StringIO()
        configure(Logging(format=LogFormat.JSON), stream)
        try:
            int(HOSTILE)
        except ValueError:
            structlog.stdlib.get_logger("test").exception("broke")
        assert stream.getvalue().count("\n") == 1
        assert "ValueError" in stream.getvalue()

    def test_what_is_less_severe_is_left_out(self) -> None:
        assert line(Logging(level=LogLevel.WARNING)) == ""
        assert "apdu.processed" in line(Logging(level=LogLevel.INFO))
