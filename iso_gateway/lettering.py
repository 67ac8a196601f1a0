"""Mails for people, from templates: those that come with the gateway, or a site's own.

A template is only text: it runs in Jinja's sandbox, knows nothing but the values that it is given, and what
it does not know is an error. What stands in HTML is escaped by itself. Must not import adapters.
"""

import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Final

from config import places
from config.settings import Language
from iso_gateway.errors import TemplateUnusableError

# Jinja is imported late: the gateway starts a good deal sooner, and most that start never write a mail.
if TYPE_CHECKING:
    from jinja2 import BaseLoader
    from jinja2.sandbox import ImmutableSandboxedEnvironment

#: The most characters of a value.
LONGEST: Final = 300

#: What is not seen, or changes how what follows is seen.
_UNSEEN: Final = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp", "Co", "Cn"})

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Templates:
    """The templates of one kind of mail.

    Args:
        package: which has a directory `templates`, in it one for each language.
        subject, text, html: their names.
        setting: the key of the configuration that names a site's own directory.
    """

    package: str
    subject: str
    text: str
    html: str
    setting: str

    def render(self, values: Mapping[str, object], language: Language, template_dir: str | None) -> Rendered:
        """What a mail says.

        Args:
            values: what the templates can use.
            language: in which language.
            template_dir: the directory with the site's own templates, if it has any.

        Raises:
            TemplateUnusableError: a template of the site's own is wrong.
        """
        environment = _environment(self.package, template_dir)
        subject, text, html = (
            self._rendered(environment, f"{language.value}/{name}", values)
            for name in (self.subject, self.text, self.html)
        )
        return Rendered(subject=" ".join(subject.split()), text=text, html=html)

    def mistakes_in(
        self, template_dir: Path, examples: Sequence[Mapping[str, object]]
    ) -> tuple[Mistake, ...]:
        """What is wrong with a site's own templates, found by writing mails of nobody with them.

        Args:
            template_dir: the directory with them.
            examples: what such mails say; all have the names of all values.
        """
        names = [
            f"{language.value}/{name}"
            for language in Language
            for name in (self.subject, self.text, self.html)
        ]
        own = [name for name in names if places.exists(template_dir / name)]
        if not own:
            problem = f"none of {', '.join(names)} is in it, so it changes no mail"
            return (Mistake(file=template_dir, line=None, problem=problem),)
        environment = _new_environment(self.package, str(template_dir))
        found = [
            mistake for name in own for mistake in _mistakes_of(environment, template_dir, name, examples)
        ]
        return tuple(dict.fromkeys(found))

    def _rendered(
        self, environment: "ImmutableSandboxedEnvironment", name: str, values: Mapping[str, object]
    ) -> str:
        try:
            return environment.get_template(name).render(values)
        except (OSError, UnicodeDecodeError) as error:
            raise TemplateUnusableError(
                f"the template {name} cannot be read ({type(error).__name__}): see {self.setting}"
            ) from None
        except Exception as error:  # noqa: BLE001 - whatever an expression of a template ends in
            place = _place_of(error, None)
            line = "" if place is None else f", line {place[1]}"
            raise TemplateUnusableError(
                f"the template {name}{line} cannot be used: {_said_of(error)}; correct it in {self.setting}"
            ) from None


def _mistakes_of(
    environment: "ImmutableSandboxedEnvironment",
    template_dir: Path,
    name: str,
    examples: Sequence[Mapping[str, object]],
) -> Iterator[Mistake]:
    from jinja2 import meta, nodes

    file = template_dir / name
    try:
        template = environment.get_template(name)
        tree = environment.parse(file.read_text(encoding="utf-8"))
        unknown = meta.find_undeclared_variables(tree).difference(*examples)
        for used in tree.find_all(nodes.Name):
            if used.name in unknown:
                problem = f"it uses {used.name!r}, and a mail has no such value"
                yield Mistake(file=file, line=used.lineno, problem=problem)
        # One that is unknown fails wherever it is used, and that is said.
        for values in () if unknown else examples:
            template.render(values)
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        yield Mistake(file=file, line=line, problem="is not UTF-8")
    except Exception as error:  # noqa: BLE001 - whatever an expression of a template ends in
        place = _place_of(error, template_dir)
        at, number = (file, None) if place is None else place
        yield Mistake(file=at, line=number, problem=_said_of(error))


def _said_of(error: Exception) -> str:
    """What is wrong with a template, without any value of the mail."""
    from jinja2 import TemplateError, TemplateNotFound

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
    from jinja2 import TemplateSyntaxError

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
def _environment(package: str, template_dir: str | None) -> "ImmutableSandboxedEnvironment":
    return _new_environment(package, template_dir)


def _new_environment(package: str, template_dir: str | None) -> "ImmutableSandboxedEnvironment":
    from jinja2 import ChoiceLoader, FileSystemLoader, PackageLoader, StrictUndefined, select_autoescape
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    loaders: list[BaseLoader] = [PackageLoader(package)]
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


def in_words(day: date, language: Language) -> str:
    """A day as people write it."""
    month = _MONTHS[language][day.month - 1]
    if language is Language.ENGLISH:
        return f"{month} {day.day}, {day.year}"
    return f"{'1er' if day.day == 1 else day.day} {month} {day.year}"


def visible(text: str, longest: int = LONGEST) -> str:
    """A text as one line of visible characters, cut."""
    line = " ".join("".join(" " if unicodedata.category(char) in _UNSEEN else char for char in text).split())
    return line if len(line) <= longest else f"{line[: longest - 3].rstrip()}..."
