"""Who can sign in at the issuer of `onboarding up`: examples of every role, or those of a file."""

import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError

from domain.inquiry import Account
from domain.intake import field_errors
from domain.policy import Policy
from domain.status import Company
from domain.values import Contract, Email, HeaderText, Uid
from starter.web.callers import ACTS_FOR_CLAIM, CallerRole, ClaimNames
from starter.web.desks import Desk, DeskPerson, Desks, read_desks

DESK: Final = "default"
"""The name of the desk of personas."""


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


def desks_of(personas: Sequence[Persona]) -> Desks:
    """One desk of the BDs among them and of the first lead, which serves every company; none where either is
    missing."""
    bds, leads = (_people(personas, role) for role in (CallerRole.BD, CallerRole.BD_LEAD))
    if not bds or not leads:
        return Desks()
    policy = Policy()
    return Desks(
        [Desk(name=DESK, calendar=policy.calendar, time_zone=policy.time_zone, lead=leads[0], bds=bds)]
    )


def served_by(file: Path | None, personas: Sequence[Persona] = ()) -> Desks:
    """The desks of the file, or that of the personas.

    Raises:
        DesksError: the file can't be used.
    """
    return desks_of(personas) if file is None else read_desks(file)


def accounts_of(personas: Sequence[Persona]) -> tuple[Account, ...]:
    """The accounts of those who have a company."""
    return tuple(
        Account(uid=uid, enterprise=each.company) for each in personas if each.company for uid in each.uids
    )


def _people(personas: Sequence[Persona], role: CallerRole) -> tuple[DeskPerson, ...]:
    return tuple(
        DeskPerson(name=each.name, email=each.email) for each in personas if role in each.roles and each.email
    )


def _put(claims: dict[str, Any], path: Sequence[str], words: list[str]) -> None:
    for part in path[:-1]:
        claims = claims.setdefault(part, {})
    claims[path[-1]] = words
