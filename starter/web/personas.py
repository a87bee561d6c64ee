"""Who can sign in at the issuer of `onboarding up`: examples of every role, or those of a file."""

import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError

from domain.contract import Person
from domain.inquiry import Account
from domain.intake import field_errors
from domain.status import Company
from domain.values import Contract, Email, HeaderText, Uid
from starter.web.callers import ACTS_FOR_CLAIM, CallerRole, ClaimNames
from starter.web.door import Desk


class Persona(Contract):
    """Somebody who plays a role; ``company``: the verified enterprise its ``uids`` are accounts of."""

    id: HeaderText
    name: HeaderText
    email: Email | None = None
    roles: tuple[CallerRole, ...]
    uids: tuple[Uid, ...] = ()
    acts_for: tuple[str, ...] = ()
    company: Company | None = None

    def claims(self, names: ClaimNames) -> dict[str, Any]:
        """What his token says of him."""
        said: dict[str, Any] = {"sub": self.id, "name": self.name}
        if self.email is not None:
            said |= {"email": self.email, "email_verified": True}
        if self.acts_for:
            said[ACTS_FOR_CLAIM] = list(self.acts_for)
        for path, words in ((names.roles, self.roles), (names.uids, self.uids)):
            _put(said, path.split("."), list(words))
        return said


class PersonasError(Exception):
    """The file can't be used; the message says why."""


_MANY: Final[TypeAdapter[tuple[Persona, ...]]] = TypeAdapter(tuple[Persona, ...])
DEFAULT: Final = _MANY.validate_python(
    (
        {
            "id": "mei",
            "name": "Mei Lin",
            "email": "mei@lincloud.example",
            "roles": ["partner"],
            "uids": ["5123456789", "5123456790"],
            "company": {
                "legal_name": "Lin Cloud Ltd",
                "registration_number": "91310000MA1K00001X",
                "country": "CN",
                "verified": True,
            },
        },
        {"id": "wei", "name": "Wei Zhang", "email": "wei@vendor.example", "roles": ["bd"]},
        {"id": "ada", "name": "Ada Roth", "email": "ada@vendor.example", "roles": ["bd_lead"]},
        {"id": "vic", "name": "Vic Moreau", "email": "vic@vendor.example", "roles": ["vendor"]},
        {"id": "ops", "name": "Operations", "roles": ["ops"]},
        {"id": "crm", "name": "CRM", "roles": ["service"], "acts_for": ["partner"]},
    )
)


def personas_of(file: Path | None) -> tuple[Persona, ...]:
    """Those of a file (``[[persona]]`` in TOML), or the examples.

    Raises:
        PersonasError: it can't be read, names a field that is wrong, or an ID twice.
    """
    if file is None:
        return DEFAULT
    try:
        found = _MANY.validate_python(tomllib.loads(file.read_text("utf-8")).get("persona"), extra="forbid")
    except (OSError, ValueError) as error:
        reason = field_errors(error) if isinstance(error, ValidationError) else str(error)
        raise PersonasError(f"ONBOARDING_PERSONAS: {file}: {reason}") from None
    if len({each.id for each in found}) < len(found):
        raise PersonasError(f"ONBOARDING_PERSONAS: {file}: an id is there twice")
    return found


def desk_of(personas: Sequence[Persona]) -> Desk | None:
    """The first BD and the first lead among them, who serve every company that joins by itself."""
    bd, lead = (_first(personas, role) for role in (CallerRole.BD, CallerRole.BD_LEAD))
    return None if bd is None or lead is None else Desk(bd=bd, bd_lead=lead)


def accounts_of(personas: Sequence[Persona]) -> tuple[Account, ...]:
    """The accounts of those who have a company."""
    return tuple(
        Account(uid=uid, enterprise=each.company) for each in personas if each.company for uid in each.uids
    )


def _first(personas: Sequence[Persona], role: CallerRole) -> Person | None:
    return next(
        (Person(name=each.name, email=each.email) for each in personas if role in each.roles and each.email),
        None,
    )


def _put(claims: dict[str, Any], path: Sequence[str], words: list[str]) -> None:
    for part in path[:-1]:
        claims = claims.setdefault(part, {})
    claims[path[-1]] = words
