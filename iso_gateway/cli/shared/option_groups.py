"""Options that belong together: a dataclass whose fields are written as options stands for all of them.

Commands that have several options in common, as all that choose messages do, have one parameter of the
dataclass, and are marked with `spread`: on the command line the options stand where the parameter does.
"""

import dataclasses
import functools
import inspect
from collections.abc import Callable
from typing import Any


def spread(command: Callable[..., None]) -> Callable[..., None]:
    """Let each parameter of a command whose type is a dataclass be given as the options that its fields are.

    Args:
        command: as typer takes it, but for these parameters.
    """
    signature = inspect.signature(command, eval_str=True)
    groups: dict[str, Any] = {
        name: one.annotation
        for name, one in signature.parameters.items()
        if dataclasses.is_dataclass(one.annotation)
    }

    @functools.wraps(command)
    def spread_out(**given: Any) -> None:
        made = {
            name: group(**{field.name: given.pop(field.name) for field in dataclasses.fields(group)})
            for name, group in groups.items()
        }
        command(**given, **made)

    parameters: list[inspect.Parameter] = []
    for name, one in signature.parameters.items():
        if name not in groups:
            parameters.append(one)
            continue
        options = inspect.signature(groups[name]).parameters.values()
        parameters += [option.replace(kind=one.kind) for option in options]
    spread_out.__dict__["__signature__"] = signature.replace(parameters=parameters)
    return spread_out
