"""How a command ends. See docs/command.md."""

from typing import Final

#: What was asked for failed.
FAILED: Final = 1
#: The configuration or the arguments are wrong: nothing was tried.
WRONG: Final = 2
