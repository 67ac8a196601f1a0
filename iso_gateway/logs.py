"""Logging: one line an event, with a constant name; nothing that came from the network goes out unescaped."""

import logging
import sys
from collections.abc import MutableMapping
from typing import Any, TextIO

import structlog

from config.settings import LogFormat, Logging


def escaped(text: str) -> str:
    """Text with every character that a terminal or a log reader could act on written as an escape."""
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode("ascii") for char in text
    )


def _escape_values(
    _logger: object, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    for key, value in event.items():
        if isinstance(value, str):
            event[key] = escaped(value)
    return event


def configure(settings: Logging, stream: TextIO = sys.stderr) -> None:
    """Set structlog up for this process.

    Args:
        settings: level and format.
        stream: where lines go; systemd's journal reads standard error.
    """
    renderer: structlog.typing.Processor
    match settings.format:
        case LogFormat.JSON:
            renderer = structlog.processors.JSONRenderer(sort_keys=False)
        case LogFormat.CONSOLE:
            renderer = structlog.dev.ConsoleRenderer(colors=stream.isatty(), pad_event_to=0)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            _escape_values,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(
            logging.getLevelNamesMapping()[settings.level.value.upper()]
        ),
        logger_factory=structlog.PrintLoggerFactory(stream),
        cache_logger_on_first_use=False,
    )
