"""Links to documents: whether one can be given to a library, and those in what a library wrote. Pure.

Nothing here, and nothing elsewhere in the gateway, ever fetches one.
"""

import re
from typing import Final
from urllib.parse import urlsplit

from iso_gateway.errors import PrimitiveInvalidError

#: The longest link, in characters: what mail programs and browsers are known to take.
LONGEST: Final = 2_000

_FORBIDDEN: Final = frozenset(' "<>\\^`{|}')
_IN_TEXT: Final = re.compile(r"https?://[!-~]+", re.ASCII | re.IGNORECASE)
#: Signs that end a sentence, or close what was opened before the link.
_TRAILING: Final = ".,;:!?')]>\""


def checked(url: str) -> str:
    """A link that can stand in a note and in a mail, and be clicked.

    Raises:
        PrimitiveInvalidError: it is none; the text does not repeat it, for it may be a secret.
    """
    if len(url) > LONGEST:
        raise PrimitiveInvalidError(
            f"the link to the document is longer than {LONGEST} characters: give a shorter one"
        )
    # Why the signs are looked at first: urlsplit drops line breaks without a word.
    clean = url.isascii() and url.isprintable() and not _FORBIDDEN.intersection(url)
    try:
        parts = urlsplit(url) if clean else None
        usable = parts is not None and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        parts, usable = None, False
    if parts is None or not usable or parts.scheme not in ("http", "https"):
        raise PrimitiveInvalidError(
            "the link to the document is none: give it whole, as https://library.example/document/7, with"
            " everything but letters, digits and signs percent-encoded"
        )
    if "@" in parts.netloc:
        raise PrimitiveInvalidError("the link to the document holds a user or a password: give one without")
    return url


def found_in(text: str) -> tuple[str, ...]:
    """The links that stand in a text, each once, in their order; what we would not give is none."""
    found: dict[str, None] = {}
    for match in _IN_TEXT.finditer(text):
        url = match[0].rstrip(_TRAILING)
        try:
            found[checked(url)] = None
        except PrimitiveInvalidError:
            continue
    return tuple(found)
