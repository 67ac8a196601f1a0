"""`iso-gateway apdu`: single APDUs, without an installation: decode, diff, lint, encode, send, listen."""

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from asn1.dialects import Dialect
from iso_gateway.cli.apdu import connection
from iso_gateway.cli.apdu.files import named, octets_of, octets_or_error, read
from iso_gateway.cli.shared.menu import menu
from iso_gateway.cli.shared.options import Full, Json
from iso_gateway.errors import GatewayError

app = menu("Single APDUs: look into them, make, send and receive them. Needs no gateway.")


File = Annotated[str, typer.Argument(metavar="FILE", help="The file; - is standard input.")]


def _known_dialect(name: str) -> str:
    if name not in {dialect.value for dialect in Dialect}:
        raise typer.BadParameter(f"{name!r} is none of strict, standard and biblio-ill")
    return name


class CharacterSetName(StrEnum):
    """What a partner's file can say in `character_set` (`config.settings.CharacterSet`)."""

    UTF_8 = "utf-8"
    LATIN_1 = "latin-1"


DialectName = Annotated[
    str,
    typer.Option(
        "--dialect",
        callback=_known_dialect,
        metavar="NAME",
        help="How far octets may depart from the standard: strict, standard or biblio-ill.",
    ),
]


@app.command()
def decode(
    file: File,
    *,
    dialect: DialectName = Dialect.STANDARD.value,
    offsets: Annotated[
        bool, typer.Option("--offsets", help="Show where each component begins, and how long it is.")
    ] = False,
    as_hex: Annotated[
        bool, typer.Option("--hex", help="Show the first octets of each component; with --full, all.")
    ] = False,
    reference: Annotated[
        bool, typer.Option("--reference", help="Show what pyasn1 makes of it, where that is not the same.")
    ] = False,
    charset: Annotated[
        CharacterSetName,
        typer.Option(
            "--charset",
            metavar="|".join(CharacterSetName),
            help="The character set of its texts, as the partner's file names it.",
        ),
    ] = CharacterSetName.UTF_8,
    full: Full = False,
    json: Json = False,
) -> None:
    """Show what an APDU says, what was tolerated in it, and which rules it breaks.

    The file holds its octets (BER), or the same in hexadecimal digits. Of octets that do not decode, it shows
    all that could be read, where they fail, and why; it ends with 1 then.
    """
    from iso_gateway.cli.apdu import decode as decoding
    from iso_gateway.cli.apdu.tree import View

    octets = octets_of(read(file))
    view = View(full=full, offsets=offsets, octets=as_hex, encoding=charset.value)
    show = decoding.decode_as_json if json else decoding.decode
    if not show(octets, Dialect(dialect), view, reference=reference):
        raise typer.Exit(1)


@app.command()
def diff(
    first: Annotated[str, typer.Argument(metavar="FILE", help="The one; - is standard input.")],
    second: Annotated[str, typer.Argument(metavar="FILE2", help="The other.")],
    *,
    dialect: DialectName = Dialect.STANDARD.value,
    full: Full = False,
    json: Json = False,
) -> None:
    """Compare two APDUs: which values differ, or whether only the way in which they are written does.

    Ends with 0 where both say the same, with 1 where they do not, with 2 where one cannot be read. Lists are
    compared place by place.
    """
    from iso_gateway.cli.apdu import diff as comparing

    named = [(file, octets_or_error(file)) for file in (first, second)]
    raise typer.Exit(comparing.diff(named[0], named[1], Dialect(dialect), full=full, json=json))


@app.command()
def lint(
    files: Annotated[list[str], typer.Argument(metavar="FILE...", help="The files; - is standard input.")],
    *,
    dialect: DialectName = Dialect.STANDARD.value,
    rule: Annotated[
        list[str] | None,
        typer.Option(
            "--rule",
            metavar="ID=SEVERITY",
            help="What follows when a rule is broken: off, warning or error (repeatable).",
            show_default=False,
        ),
    ] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Fail for warnings, and for what was tolerated, too.")
    ] = False,
    json: Json = False,
) -> None:
    """Say which rules the APDUs in files break, and what had to be tolerated in them: one line each.

    Ends with 1 where a file cannot be read, or an APDU breaks a rule whose severity is error.
    """
    from iso_gateway.cli.apdu import lint as linting

    severities = linting.severities(rule or [])
    named = ((file, octets_or_error(file)) for file in files)
    if not linting.lint(named, Dialect(dialect), severities, strict=strict, json=json):
        raise typer.Exit(1)


@app.command()
def encode(
    file: File,
    *,
    as_hex: Annotated[bool, typer.Option("--hex", help="Write hexadecimal digits.")] = False,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="FILE", help="Write to this file instead.", show_default=False
        ),
    ] = None,
) -> None:
    """Make the octets (BER) of an APDU from JSON, as `apdu decode --json` writes it."""
    from asn1.codec import encode as encode_apdu
    from asn1.json import JsonError
    from iso_gateway.cli.apdu.files import apdu_from_json

    try:
        octets = encode_apdu(apdu_from_json(read(file)))
    except JsonError as error:
        raise GatewayError(f"{named(file)} is no APDU in JSON: {error}") from None
    result = f"{octets.hex()}\n".encode("ascii") if as_hex else octets
    if output is not None:
        try:
            output.write_bytes(result)
        except OSError as error:
            raise GatewayError(f"cannot write {str(output)!r}: {error.strerror}") from None
        return
    if not as_hex and sys.stdout.isatty():
        raise GatewayError("octets would confuse the terminal: say --hex, --output FILE, or redirect them")
    sys.stdout.buffer.write(result)
    sys.stdout.buffer.flush()


app.command()(connection.send)
app.command()(connection.listen)
