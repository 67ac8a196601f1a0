"""The reference of the command as Markdown, from the command itself.

`python -m iso_gateway.cli.reference docs/command.md` writes it; a test holds the file equal to `render()`.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import typer
from typer.core import TyperGroup

from iso_gateway.cli.main import app

_HEAD: Final = """\
# The command

<!-- Written by `python -m iso_gateway.cli.reference docs/command.md` from iso_gateway/cli. Do not edit. -->

`iso-gateway` runs the gateway and is how its operator sees and does everything. It opens the database itself,
so it works beside the running gateway and without it; what it queues, the running gateway sends.

- The configuration is what `--config FILE` names, behind the command or in front of it, else what
  `ISO_GATEWAY_CONFIG` names, else `./gateway.toml`.
- Exit codes: 0 done, 1 failed, 2 the configuration or the arguments are wrong. What failed is said on
  standard error.
- What is so already (held, suspended, cleared, delivered) is said, and is no failure. What there is not, and
  what cannot be done to what was named, is one; of several, the others are done.
- With `--json`, standard output holds one JSON value in ASCII and nothing else (`events --follow` and
  `apdu listen`: one a line). APDUs and their components have the standard's names there.
- Text from the network is escaped: no control character of a message reaches the terminal. Lists cut long
  texts; `--full` shows those of a single thing in full.
- The Client-Id, which names the patron, and the patron contact of a request of ours are hidden unless
  `--with-patron-data`, or `--patron` for short, is given; so are the octets of a message that holds a
  Client-Id, or that may. Lists show no patron data at all.
- What is asked for twice, by a double click or at two terminals, is sent once: the second is told what was
  done, when and by whom. `--again` does it a second time; `requests repeat` sends the last message once more,
  marked so that the other library knows it.
- Times are those of our library in `requests list` and `requests show`, and those of this machine elsewhere.
  In JSON they have their offset.
"""


def render() -> str:
    """The whole reference."""
    root = typer.main.get_command(app)
    return "\n".join([_HEAD, *_commands(root, ("iso-gateway",))])


def _commands(command: Any, names: tuple[str, ...]) -> Iterator[str]:
    if isinstance(command, TyperGroup):
        for name, member in command.commands.items():
            yield from _commands(member, (*names, name))
        return
    arguments = [one for one in command.params if one.param_type_name == "argument"]
    options = [one for one in command.params if one.param_type_name == "option"]
    usage = " ".join([*names, *(_argument(one) for one in arguments), "[OPTIONS]"])
    yield f"## `{usage}`"
    yield ""
    yield "\n".join(line.strip() for line in command.help.strip().splitlines())
    yield ""
    if arguments or options:
        yield "| | meaning | default |"
        yield "|---|---|---|"
        for one in arguments:
            yield _row(_argument(one), one.help, one)
        for one in options:
            yield _row(_option(one), one.help, one)
        yield ""


def _argument(argument: Any) -> str:
    metavar = (argument.metavar or argument.name.upper()).strip("[]")
    return metavar if argument.required else f"[{metavar}]"


def _option(option: Any) -> str:
    names = ", ".join(option.opts)
    if option.secondary_opts:
        return f"{names} / {', '.join(option.secondary_opts)}"
    if option.is_flag:
        return names
    return f"{names} {option.metavar}"


def _row(name: str, meaning: str | None, parameter: Any) -> str:
    default = parameter.default
    if parameter.required:
        shown = "must be given"
    elif default is None or isinstance(default, bool):
        shown = ""
    else:
        shown = f"`{default}`"
    cells = (f"`{name}`", meaning or "", shown)
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(render(), encoding="utf-8")  # pragma: no cover - what is written is tested
