"""Titles, names and notes that try to become header fields, recipients or markup of a mail."""

import random
from typing import Final

#: What is known to have got past the guards of mail libraries, and what only looks like it.
ATTACKS: Final = [
    "\r\nBcc: evil@evil.example",
    "\nBcc: evil@evil.example\n\nbody",
    "\r\n\r\n<script>alert(1)</script>",
    "=?utf-8?q?=0ABcc=3A_evil=40evil.example?=",
    "=?utf-8?b?DQpCY2M6IGV2aWxAZXZpbC5leGFtcGxl?=",
    "=?utf-8?q?=0D=0A?= =?utf-8?q?To:_evil@evil.example?=",
    "=?\n?utf-8?q?=0A?=",
    '", <evil@evil.example>, "',
    "evil@evil.example, you",
    "a\x85Bcc: evil@evil.example",
    "a\u2028Bcc: evil@evil.example",
    "a\x0bb\x0cc\x1cd\x1de\x00f",
    "\ud800\udfff",
    "\u202egpj.exe",
    "--=_17-abcdefghijklmnop--",
    ".\r\n.\r\n",
]

#: What titles are made of otherwise, and what line breaks and encoded words are.
_SIGNS: Final = "abc éü漢😀 =?utf-8qb_\r\n\t:,;<>@\"'\\&{}%.-\x00\x0b\x85\u2028\u202e\ud800"


def hostile(number: int) -> tuple[str, str, str]:
    """Give the title, the name and the note of a number: always the same ones, and other ones for each."""
    chance = random.Random(number)  # noqa: S311 - to be repeated, not to be secret
    return _text(chance), _text(chance), _text(chance)


def _text(chance: random.Random) -> str:
    def signs() -> str:
        return "".join(chance.choices(_SIGNS, k=chance.randrange(60)))

    pieces = [
        chance.choice(ATTACKS) if chance.random() < 0.5 else signs() for _ in range(chance.randrange(1, 5))
    ]
    return "".join(pieces)
