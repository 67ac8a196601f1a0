"""The mail about a document, from its templates, which know the members of `About`."""

from dataclasses import fields
from typing import Final

from config.settings import Language
from iso_gateway.documents.describing import About
from iso_gateway.lettering import Rendered, Templates, in_words

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
