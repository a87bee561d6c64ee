"""Notices as subject, text and HTML: one template for each notice and locale, rendered in two ways."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, urlsplit, urlunsplit

from jinja2 import ChoiceLoader, Environment, FileSystemLoader, StrictUndefined
from pydantic import BaseModel, ConfigDict

from activities.emails.addressed import AddressedNotice
from activities.emails.filters import filters_for, printable
from activities.emails.wording import WORDINGS, Wording
from domain.notice import Audience

_TEMPLATES: Final = Path(__file__).with_name("templates")


class Links(BaseModel):
    """Where the notices point to: the onboarding portal, the ACPN platform, enterprise verification."""

    model_config = ConfigDict(frozen=True)

    portal_url: str
    acpn_url: str
    verify_url: str

    def page_of(self, mail: AddressedNotice) -> str:
        """Where the reader of this mail finds its application: the partner's page of it, or BD's.

        What the portal's address asks for (``?lang=en``) stays.
        """
        portal = urlsplit(self.portal_url)
        pages = "applications" if mail.audience is Audience.PARTNER else "desk"
        path = f"{portal.path.rstrip('/')}/{pages}/{quote(mail.company_master_uid, safe='')}"
        return urlunsplit(portal._replace(path=path))


class RenderedNotice(BaseModel):
    """What the reader sees; ``text`` and ``html`` say the same."""

    model_config = ConfigDict(frozen=True)

    subject: str
    text: str
    html: str


class Renderer:
    """Renders every notice in every locale. A template that asks for what is not there raises."""

    def __init__(self, links: Links) -> None:
        self._links = links
        self._text = {name: _environment("text", wording) for name, wording in WORDINGS.items()}
        self._html = {name: _environment("html", wording) for name, wording in WORDINGS.items()}

    def render(self, mail: AddressedNotice) -> RenderedNotice:
        """The notice in its locale, English where there is none.

        Raises ``jinja2.TemplateError`` when a template is wrong: a bug that a new release cures.
        """
        locale = mail.locale if mail.locale in WORDINGS else "en"
        context = {"notice": mail.said, "links": self._links, "page": self._links.page_of(mail)}
        subject, text = _render(self._text[locale], mail.template, context)
        _, html = _render(self._html[locale], mail.template, context)
        return RenderedNotice(subject=" ".join(subject.split()), text=_tidy(text), html=html)


def _render(environment: Environment, template: str, context: Mapping[str, Any]) -> tuple[str, str]:
    # One set of names for both, and for what the layout includes; by itself Jinja makes one for each.
    known = {**environment.globals, **context}
    notice = environment.get_template(f"{template}.j2").make_module(known, shared=True)
    subject = vars(notice)["subject"]
    layout = environment.get_template("layout.j2")
    written = layout.make_module({**known, "subject": subject, "body": notice}, shared=True)
    return str(subject), str(written)


def _tidy(text: str) -> str:
    """At most one empty line in a row, none at the ends, no spaces at line ends."""
    lines: list[str] = []
    for line in text.splitlines():
        if line.strip() or (lines and lines[-1]):
            lines.append(line.rstrip())
    return "\n".join(lines).strip("\n") + "\n"


def _environment(form: str, wording: Wording) -> Environment:
    environment = Environment(
        loader=ChoiceLoader(
            [FileSystemLoader(_TEMPLATES / form), FileSystemLoader(_TEMPLATES / wording.locale)]
        ),
        autoescape=form == "html",  # noqa: S701 - in plain text there is nothing to escape
        undefined=StrictUndefined,
        finalize=printable,
        # They come with the release.
        auto_reload=False,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(filters_for(wording))
    environment.globals["wording"] = wording
    macros = environment.get_template("macros.j2").module
    environment.globals.update(
        {
            name: getattr(macros, name)
            for name in ("paragraph", "heading", "details", "table", "quote", "button")
        }
    )
    return environment
