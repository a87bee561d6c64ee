"""JOIN NOW at the front door: what a caller may say, and the desk that serves the company."""

from pydantic import Field

from domain.contract import ErrorType, Locale, OnboardingInput, Person
from domain.policy import Policy
from domain.values import Contract, Email, HeaderText, Uid
from starter.web.desks import Desk
from starter.web.door import FrontDoor
from starter.web.problems import ApiError


class JoinBody(Contract):
    """JOIN NOW (guide §2.1, Step 3). Only ops and services may name ``bd``, ``bd_lead`` and ``policy``."""

    company_master_uid: Uid = Field(examples=["5123456789"])
    contact_name: HeaderText = Field(examples=["Mei Lin"])
    contact_email: Email = Field(examples=["mei@lincloud.example"])
    locale: Locale = "en"
    bd: Person | None = None
    bd_lead: Person | None = None
    policy: Policy | None = None


async def assigned(door: FrontDoor, body: JoinBody) -> OnboardingInput:
    """What JOIN NOW hands over: the people and the policy of the company's desk, but for what the body names.

    Raises:
        ApiError: ``invalid``, no desk serves the company, and nobody is named who would.
        starter.client.errors.OnboardingError: ``unavailable``, the company's country can't be looked up now.
    """
    desk = await door.desk_of(body.company_master_uid)
    bd, lead = body.bd, body.bd_lead
    if desk is not None:
        bd, lead = bd or await least_busy(door, desk), lead or desk.lead.person
    if bd is None or lead is None:
        raise ApiError(
            ErrorType.INVALID,
            "No desk serves this company. Let ops or a service join for it, and name who does.",
            errors=[(name, "must be named") for name, who in (("bd", bd), ("bd_lead", lead)) if who is None],
        )
    return OnboardingInput(
        company_master_uid=body.company_master_uid,
        contact_name=body.contact_name,
        contact_email=body.contact_email,
        locale=body.locale,
        bd=bd,
        bd_lead=lead,
        policy=desk.policy(body.policy) if desk else body.policy,
        desk=desk.name if desk else None,
    )


async def least_busy(door: FrontDoor, desk: Desk) -> Person:
    """The BD of the desk with the fewest open applications, of several the first in the file.

    Counted by what is stored: two companies that join at the same moment may come to the same BD.
    """
    count = await door.lists.open_of(person.email.lower() for person in desk.bds)
    return min(desk.bds, key=lambda person: count[person.email.lower()]).person
