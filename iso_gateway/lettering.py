"""Mails for people, from templates: those that come with the gateway, or a site's own.

A template is only text: it runs in Jinja's sandbox, knows nothing but the values that it is given, and what
it does not know is an error. What stands in HTML is escaped by itself. Must not import adapters.
"""

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import lru_cache
from typing import TYPE_CHECKING, Final

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

    def _rendered(
        self, environment: "ImmutableSandboxedEnvironment", name: str, values: Mapping[str, object]
    ) -> str:
        from jinja2 import TemplateError, TemplateSyntaxError

        try:
            return environment.get_template(name).render(values)
        except TemplateError as error:
            line = f", line {error.lineno}" if isinstance(error, TemplateSyntaxError) else ""
            # Only the template's own mistake: it names a value, and does not say it.
            raise TemplateUnusableError(
                f"the template {name}{line} cannot be used ({type(error).__name__}): {error.message};"
                f" correct it in {self.setting}"
            ) from None
        except (OSError, UnicodeDecodeError) as error:
            raise TemplateUnusableError(
                f"the template {name} cannot be read ({type(error).__name__}): see {self.setting}"
            ) from None
        except Exception as error:  # noqa: BLE001 - said below
            # Whatever an expression of a template ends in, as a division by zero; its text may say a value.
            raise TemplateUnusableError(
                f"the template {name} cannot be used ({type(error).__name__}): correct it in {self.setting}"
            ) from None


@lru_cache(maxsize=8)
def _environment(package: str, template_dir: str | None) -> "ImmutableSandboxedEnvironment":
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
