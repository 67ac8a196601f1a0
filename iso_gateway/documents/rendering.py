"""The mail about a document, from templates: those that come with the gateway, or a site's own.

A template is only text: it runs in Jinja's sandbox, knows nothing but the members of `About`, and what it
does not know is an error. What stands in HTML is escaped by itself.
"""

from dataclasses import dataclass, field, fields
from datetime import date
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from config.settings import Language
from iso_gateway.documents.describing import About
from iso_gateway.errors import TemplateUnusableError

# Jinja is imported late: the gateway starts a good deal sooner, and most that start never write a mail.
if TYPE_CHECKING:
    from jinja2 import BaseLoader
    from jinja2.sandbox import ImmutableSandboxedEnvironment

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


def _rendered(environment: "ImmutableSandboxedEnvironment", name: str, values: dict[str, object]) -> str:
    from jinja2 import TemplateError, TemplateSyntaxError

    try:
        return environment.get_template(name).render(values)
    except TemplateError as error:
        line = f", line {error.lineno}" if isinstance(error, TemplateSyntaxError) else ""
        # Only the template's own mistake: it names a value, and does not say it.
        raise TemplateUnusableError(
            f"the template {name}{line} cannot be used ({type(error).__name__}): {error.message};"
            " correct it in documents.template_dir"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise TemplateUnusableError(
            f"the template {name} cannot be read ({type(error).__name__}): see documents.template_dir"
        ) from None
    except Exception as error:  # noqa: BLE001 - said below
        # Whatever an expression of a template ends in, as a division by zero; its text may say a value.
        raise TemplateUnusableError(
            f"the template {name} cannot be used ({type(error).__name__}): correct it in"
            " documents.template_dir"
        ) from None


@lru_cache(maxsize=8)
def _environment(template_dir: str | None) -> "ImmutableSandboxedEnvironment":
    from jinja2 import ChoiceLoader, FileSystemLoader, PackageLoader, StrictUndefined, select_autoescape
    from jinja2.sandbox import ImmutableSandboxedEnvironment

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
