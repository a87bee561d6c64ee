"""Whose mailbox a notice is for, by its template."""

from typing import Final

from domain.notice import Audience
from domain.notices import NOTICES

_AUDIENCES: Final[dict[str, Audience]] = {
    notice.model_fields["template"].default: notice.audience for notice in NOTICES
}


def audience_of(template: str) -> Audience:
    """Whose mailbox notices of this template are for."""
    return _AUDIENCES[template]


FAREWELLS: Final = frozenset(notice.model_fields["template"].default for notice in NOTICES if notice.farewell)
"""Templates of notices to who is no longer of their audience."""


def templates_for(audience: Audience) -> tuple[str, ...]:
    """The templates of the notices that are for this mailbox."""
    return tuple(template for template, whose in _AUDIENCES.items() if whose is audience)
