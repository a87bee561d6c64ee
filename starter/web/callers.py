"""Who is calling, what his token lets him see, and as whom he acts.

A user is who the issuer says he is (``iss``, ``sub``), never an e-mail address; only who is in charge of an
application is found by it, where the issuer has verified it. Pure: tokens are verified in `tokens.py`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError

from domain.contract import Actor, Command, Role, Via
from domain.readers import OUTSIDE, status_for
from domain.status import Status
from domain.steps import Step
from domain.values import HeaderText
from starter.web.claims import words

CHANNEL: Final = "api"
"""How the audit trail names this way of sending commands."""
ACTS_FOR_CLAIM: Final = "onboarding_acts_for"
_NEVER: Final = frozenset({Role.ESIGN, Role.SYSTEM})
"""For whom nobody acts over HTTP: e-signatures come by their own webhook, and the service acts by itself."""
_LINE: Final[TypeAdapter[str]] = TypeAdapter(HeaderText)


class CallerRole(StrEnum):
    """A role a token may name. ``service`` acts for others, and says for whom."""

    PARTNER = "partner"
    BD = "bd"
    BD_LEAD = "bd_lead"
    VENDOR = "vendor"
    OPS = "ops"
    SERVICE = "service"


_BY_VENDOR: Final[frozenset[str]] = frozenset({CallerRole.BD, CallerRole.BD_LEAD, CallerRole.VENDOR})
SEES_ALL: Final = frozenset({CallerRole.OPS, CallerRole.SERVICE})
_READS_AS: Final = (
    CallerRole.SERVICE,
    CallerRole.OPS,
    CallerRole.BD_LEAD,
    CallerRole.BD,
    CallerRole.VENDOR,
    CallerRole.PARTNER,
)
"""The role that says what is shown to who has several: the one that reads most."""


class UnusableClaimsError(Exception):
    """The token is the issuer's, but says nothing by which its bearer could act; the message says what."""


@dataclass(frozen=True)
class ClaimNames:
    """Where tokens name roles and UIDs: a claim, or a path to one within others."""

    roles: str = "onboarding_roles"
    uids: str = "onboarding_uids"


@dataclass(frozen=True)
class Caller:
    """Who is calling.

    Attributes:
        email: his address, where the issuer has verified it.
        roles: in the token's order.
        uids: the Company Master UIDs a partner acts for.
        acts_for: the roles a service may state.
        client: the program that shows the token.
        expires_at: Unix time from when on the token opens nothing.
        also_at: more addresses by which he is in charge, as desks know him by his subject.
        desks: the desks he works at, by name; ``leads``: those of them he leads.
    """

    subject: str
    name: str | None = None
    email: str | None = None
    roles: tuple[CallerRole, ...] = ()
    uids: frozenset[str] = frozenset()
    acts_for: frozenset[Role] = frozenset()
    client: str | None = None
    expires_at: float | None = None
    also_at: frozenset[str] = frozenset()
    desks: frozenset[str] = frozenset()
    leads: frozenset[str] = frozenset()

    @property
    def addresses(self) -> frozenset[str]:
        """Those by which he is in charge, in small letters."""
        return self.also_at if self.email is None else self.also_at | {self.email.lower()}

    @property
    def is_service(self) -> bool:
        """Whether it acts for others."""
        return CallerRole.SERVICE in self.roles


@dataclass(frozen=True)
class InCharge:
    """An application as far as it decides who may see it: whose it is, and who looks after it."""

    company_master_uid: str
    bd: str | None = None
    bd_lead: str | None = None
    desk: str | None = None


def caller_of(claims: Mapping[str, Any], names: ClaimNames) -> Caller:
    """Who shows a token with these claims, which its issuer has signed. Roles it does not know are nobody's.

    Raises:
        UnusableClaimsError: the subject can't stand in an audit trail.
    """
    subject = _line(claims.get("sub"))
    if subject is None:
        raise UnusableClaimsError("its sub must be one line of 1 to 200 characters")
    roles = [CallerRole(name) for name in words(claims, names.roles) if name in set(CallerRole)]
    email = claims.get("email")
    acts_for = words(claims, ACTS_FOR_CLAIM) if ACTS_FOR_CLAIM in claims else (Role.PARTNER,)
    return Caller(
        subject=subject,
        name=_line(claims.get("name")),
        email=email if isinstance(email, str) and claims.get("email_verified") is True else None,
        roles=tuple(dict.fromkeys(roles)),
        uids=frozenset(words(claims, names.uids)),
        acts_for=frozenset(Role(name) for name in acts_for if name in set(Role)) - _NEVER,
        client=_line(claims.get("azp")) or _line(claims.get("client_id")),
    )


def states(caller: Caller, company_master_uid: str) -> frozenset[Role]:
    """For which roles a service may act on an application of this UID; who has the UID, for none of the
    vendor's."""
    mine = owns(caller, company_master_uid)
    return frozenset(role for role in caller.acts_for if not (mine and role in _BY_VENDOR))


def roles_on(caller: Caller, application: InCharge) -> tuple[CallerRole, ...]:
    """The caller's roles towards this application, in the token's order; none: it does not exist for him.

    Who has the UID never acts as BD, lead or vendor on it.
    """
    own = owns(caller, application.company_master_uid)

    def holds(role: CallerRole) -> bool:
        match role:
            case CallerRole.PARTNER:
                return own
            case CallerRole.BD:
                return _is(application.bd, caller) or application.desk in caller.desks
            case CallerRole.BD_LEAD:
                return _is(application.bd_lead, caller) or application.desk in caller.leads
            case _:
                return True

    return tuple(role for role in caller.roles if not (own and role in _BY_VENDOR) and holds(role))


def may_join(caller: Caller, company_master_uid: str) -> tuple[CallerRole, ...]:
    """The roles by which the caller may begin an application of this UID: a partner with its own, ops,
    services."""
    roles = roles_on(caller, InCharge(company_master_uid))
    return tuple(role for role in roles if role in {CallerRole.PARTNER, *SEES_ALL})


@dataclass(frozen=True)
class Reader:
    """Who reads an application, by his roles towards it, of which there is one at least."""

    caller: Caller
    roles: tuple[CallerRole, ...]

    @property
    def role(self) -> Role:
        """As whom he reads: a service reads what ops read."""
        most = next(role for role in _READS_AS if role in self.roles)
        return Role.OPS if most is CallerRole.SERVICE else Role(most)

    @property
    def is_outside(self) -> bool:
        """Whether he does not belong to the vendor."""
        return self.role in OUTSIDE

    def status(self, status: Status) -> Status:
        """The status as he reads it: with the commands he may send; of a service, those of all."""
        shown = status_for(status, self.role)
        if CallerRole.SERVICE in self.roles:
            return shown.model_copy(update={"allowed_commands": status.allowed_commands})
        mine = {
            name for role in self.roles for name in status.allowed_for.get(Role(role), ())
        } or shown.allowed_commands
        allowed = tuple(name for name in status.allowed_commands if name in mine)
        return shown.model_copy(update={"allowed_commands": allowed})


def acting(reader: Reader, step: Step, command: Command) -> Role:
    """The role by which a person sends this command: the first of the token's that may, else the first there
    is, so that the refusal is on record."""
    mine = [Role(role) for role in reader.roles if role is not CallerRole.SERVICE]
    senders = step.senders(command)
    return next((role for role in mine if role in senders), mine[0])


def actor(caller: Caller, role: Role) -> Actor:
    """Who acts, as his token names him."""
    return Actor(role=role, id=caller.subject, name=caller.name)


def via(caller: Caller) -> Via:
    """The way a command came; a service is recorded itself, beside whom it acts for."""
    return Via(channel=CHANNEL, client=caller.subject if caller.is_service else caller.client)


def owns(caller: Caller, company_master_uid: str) -> bool:
    """Whether he has the UID, whatever his roles."""
    return company_master_uid in caller.uids


def _is(address: str | None, caller: Caller) -> bool:
    return address is not None and address.lower() in caller.addresses


def _line(claim: object) -> str | None:
    try:
        return _LINE.validate_python(claim, strict=True)
    except ValidationError:
        return None
