"""The mail about a document, from its templates, which know the members of `About`."""

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Final

from config.settings import Language
from iso_gateway.documents.describing import About
from iso_gateway.lettering import Mistake, Rendered, Templates, in_words

TEMPLATES: Final = Templates(
    package="iso_gateway.documents",
    subject="subject.txt",
    text="letter.txt",
    html="letter.html",
    setting="documents.template_dir",
)


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
    values["until"] = in_words(about.until, language)
    return TEMPLATES.render(values, language, template_dir)


def mistakes_in(template_dir: Path) -> tuple[Mistake, ...]:
    """What is wrong with a site's own templates for these mails."""
    return TEMPLATES.mistakes_in(template_dir, _examples())


def _examples() -> tuple[Mapping[str, object], ...]:
    """What mails of nobody say: everything that a mail can, and as little as one can."""
    days: dict[str, object] = {"downloads": 5, "days": 90, "until": "January 1, 2026"}
    values = {one.name: one.name for one in fields(About)} | days
    always = ("link", "lender_number", "lender", "borrower", "lender_symbol", *days)
    return values, {name: value if name in always else "" for name, value in values.items()}
