"""The reference onboarding as every engine plays it: its steps, their mails and deadlines.

Standard library only: the environment of DBOS has nothing of ours.
"""

from typing import Final, NamedTuple

DAY: Final = 86_400


class Step(NamedTuple):
    """One change of the stage: what leads to it, the stage it leads to, the mails about it.

    ``looked_up``: whether the outside is asked first.
    """

    name: str
    stage: str
    mails: int = 0
    looked_up: bool = False


START: Final = Step("start", "drafting", looked_up=True)
MESSAGES: Final = (
    Step("confirm_company", "company_confirmed", looked_up=True),
    Step("submit_application", "under_review", mails=2, looked_up=True),
    Step("approve_application", "qualified", mails=1),
    Step("issue_decision_sheet", "terms_issued", mails=1),
    Step("modify_terms", "terms_in_question", mails=1),
    Step("issue_decision_sheet_again", "terms_issued_again", mails=1),
    Step("confirm_terms", "terms_confirmed", mails=2),
    Step("sign_contract_partner", "half_signed"),
    Step("sign_contract_vendor", "signed", mails=1),
)
"""What people send, in order."""
START_DATE: Final = Step("start_date", "active", mails=1)
"""The contract's start date, which is reached already."""
STEPS: Final = {step.name: step for step in (START, *MESSAGES, START_DATE)}
MAILS: Final = sum(step.mails for step in STEPS.values())
"""Mails of one onboarding."""
DEADLINES: Final = {"start": "approve_application", "issue_decision_sheet": "sign_contract_vendor"}
"""From which step to which a deadline of `DEADLINE` runs; it is never reached."""
DEADLINE: Final = 14 * DAY


def ends_deadline_of(step: str) -> str | None:
    """The step whose deadline this one ends."""
    return next((begun for begun, ends in DEADLINES.items() if ends == step), None)
