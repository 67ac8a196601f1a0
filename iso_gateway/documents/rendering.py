"""The mail about a document, from templates: those that come with the gateway, or a site's own.

A template is only text: it runs in Jinja's sandbox, knows nothing but the members of `About`, and what it
does not know is an error. What stands in HTML is escaped by itself.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from datetime import date
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import Final

from jinja2 import (
    BaseLoader,
    ChoiceLoader,
    FileSystemLoader,
    PackageLoader,
    StrictUndefined,
    TemplateError,
    TemplateNotFound,
    TemplateSyntaxError,
    meta,
    nodes,
    select_autoescape,
)
from jinja2.sandbox import ImmutableSandboxedEnvironment

from config.settings import Language
from iso_gateway.documents.describing import About
from iso_gateway.errors import TemplateUnusableError

SUBJECT: Final = "subject.txt"
TEXT: Final = "letter.txt"
HTML: Final = "letter.html"

_MONTHS: Final = {
    Language.ENGLISH: (
        "January", "February", "March", "April", "May", "June",
        "July", "August", "September", "October", "November", "December",
    ),
    Language.FRENCH: (
        "janvier", "février", "mars", "avril", "mai", "juin",
        "juillet", "août", "septembre", "octobre", "novembre", "décembre",
    ),
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendered:
    """What a mail says.

    Args:
        subject: one line.
        text, html: the same twice.
    """

    subject: str
    text: str = field(repr=False)
    html: str = field(repr=False)


def render(about: About, language: Language, template_dir: str | None) -> Rendered:
    """The mail about a document.

    Args:
        about: what it says.
        language: in which language.
        template_dir: the directory with the site's own templates, if it has any.

    Raises:
        TemplateUnusableError: a template of the site's own is wrong.
    """
    values: dict[str, object] = {one.name: getattr(about, one.name) for one in fields(about)}
    values["until"] = _in_words(about.until, language)
    environment = _environment(template_dir)
    subject, text, html = (
        _rendered(environment, f"{language.value}/{name}", values) for name in (SUBJECT, TEXT, HTML)
    )
    return Rendered(subject=" ".join(subject.split()), text=text, html=html)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mistake:
    """What is wrong with a template of a site's own.

    Args:
        file: the template, or the directory where it should be.
        line: the line of it, from 1 on; None where no line is to blame.
        problem: what is wrong.
    """

    file: Path
    line: int | None
    problem: str


def mistakes_in(template_dir: Path) -> tuple[Mistake, ...]:
    """What is wrong with a site's own templates, found by writing mails of nobody with them.

    Args:
        template_dir: the directory with them.
    """
    names = [f"{language.value}/{name}" for language in Language for name in (SUBJECT, TEXT, HTML)]
    own = [name for name in names if (template_dir / name).exists()]
    if not own:
        problem = f"none of {', '.join(names)} is in it, so it changes no mail"
        return (Mistake(file=template_dir, line=None, problem=problem),)
    environment = _new_environment(str(template_dir))
    found = [mistake for name in own for mistake in _mistakes_of(environment, template_dir, name)]
    return tuple(dict.fromkeys(found))


def _mistakes_of(
    environment: ImmutableSandboxedEnvironment, template_dir: Path, name: str
) -> Iterator[Mistake]:
    file = template_dir / name
    try:
        template = environment.get_template(name)
        tree = environment.parse(file.read_text(encoding="utf-8"))
        unknown = meta.find_undeclared_variables(tree) - {one.name for one in fields(About)}
        for used in tree.find_all(nodes.Name):
            if used.name in unknown:
                problem = f"it uses {used.name!r}, and a mail has no such value"
                yield Mistake(file=file, line=used.lineno, problem=problem)
        # One that is unknown fails wherever it is used, and that is said.
        for values in () if unknown else _examples():
            template.render(values)
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        yield Mistake(file=file, line=line, problem="is not UTF-8")
    except Exception as error:  # noqa: BLE001 - whatever an expression of a template ends in
        place = _place_of(error, template_dir)
        at, number = (file, None) if place is None else place
        yield Mistake(file=at, line=number, problem=_said_of(error))


def _examples() -> Iterator[dict[str, object]]:
    """What mails of nobody say: everything that a mail can, and as little as one can."""
    days: dict[str, object] = {"downloads": 5, "days": 90, "until": "January 1, 2026"}
    values = {one.name: one.name for one in fields(About)} | days
    yield values
    always = ("link", "lender_number", "lender", "borrower", "lender_symbol", *days)
    yield {name: value if name in always else "" for name, value in values.items()}


def _rendered(environment: ImmutableSandboxedEnvironment, name: str, values: dict[str, object]) -> str:
    try:
        return environment.get_template(name).render(values)
    except (OSError, UnicodeDecodeError) as error:
        raise TemplateUnusableError(
            f"the template {name} cannot be read ({type(error).__name__}): see documents.template_dir"
        ) from None
    except Exception as error:  # noqa: BLE001 - whatever an expression of a template ends in
        place = _place_of(error, None)
        line = "" if place is None else f", line {place[1]}"
        raise TemplateUnusableError(
            f"the template {name}{line} cannot be used: {_said_of(error)}; correct it in"
            " documents.template_dir"
        ) from None


def _said_of(error: Exception) -> str:
    """What is wrong with a template, without any value of the mail."""
    if isinstance(error, TemplateNotFound):
        return f"there is no template {error.name!r}"
    if isinstance(error, TemplateError):
        # Only the template's own mistake: it names a value, and does not say it.
        return f"{(error.message or '').rstrip('.')} ({type(error).__name__})"
    if isinstance(error, OSError):
        return f"cannot be read: {error.strerror or type(error).__name__}"
    # As a division by zero: its text may say a value.
    return f"an expression in it fails ({type(error).__name__})"


def _place_of(error: Exception, template_dir: Path | None) -> tuple[Path, int] | None:
    """Where in a template it went wrong; Jinja has the lines of templates in tracebacks.

    Args:
        error: what went wrong.
        template_dir: where templates are that may be to blame; None: any.
    """
    if isinstance(error, TemplateSyntaxError) and error.filename is not None:
        return Path(error.filename), error.lineno
    found: tuple[Path, int] | None = None
    step: TracebackType | None = error.__traceback__
    while step is not None:
        file = Path(step.tb_frame.f_code.co_filename)
        if file.suffix in {".txt", ".html"} and (template_dir is None or file.is_relative_to(template_dir)):
            found = file, step.tb_lineno
        step = step.tb_next
    return found


@lru_cache(maxsize=8)
def _environment(template_dir: str | None) -> ImmutableSandboxedEnvironment:
    return _new_environment(template_dir)


def _new_environment(template_dir: str | None) -> ImmutableSandboxedEnvironment:
    loaders: list[BaseLoader] = [PackageLoader("iso_gateway.documents")]
    if template_dir is not None:
        loaders.insert(0, FileSystemLoader(template_dir))
    return ImmutableSandboxedEnvironment(
        loader=ChoiceLoader(loaders),
        autoescape=select_autoescape(("html",), default_for_string=True, default=False),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def _in_words(day: date, language: Language) -> str:
    month = _MONTHS[language][day.month - 1]
    if language is Language.ENGLISH:
        return f"{month} {day.day}, {day.year}"
    return f"{'1er' if day.day == 1 else day.day} {month} {day.year}"
