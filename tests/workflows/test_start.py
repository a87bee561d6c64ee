"""How an application begins, by what the outside knows of the applicant."""

import pytest

from domain import view
from domain.contract import OnboardingInput, Stage
from domain.inquiry import About, Account, AccountAnswers, Answers, Covering
from domain.state import Application
from tests import payloads
from tests.domain.applications import ENTERPRISE, JOINED_AT, UID, journey_to, refused
from workflows import start

TOLD = "The account directory had no account of UID"


def joined() -> Application:
    return journey_to("drafting").application.but(company=None)


def begun(accounts: AccountAnswers | None) -> Application:
    return start.begun(joined(), Answers(accounts=accounts))


def test_an_account_nobody_knows_waits_and_says_so() -> None:
    application = begun(AccountAnswers())
    status = view.describe(application, sequence=1)
    assert status.stage == "drafting"
    [warning] = status.warnings
    assert warning.startswith(f"{TOLD} {UID} when this application began: check its digits.")
    assert "No account of this UID" in view.details(application)


@pytest.mark.parametrize(
    "accounts",
    [
        None,
        AccountAnswers(accounts=(Account(uid=UID),)),
        AccountAnswers(accounts=(Account(uid=UID, enterprise=ENTERPRISE),)),
    ],
    ids=["directory down", "not verified", "verified"],
)
def test_a_known_one_and_one_nobody_was_asked_about_does_not(accounts: AccountAnswers | None) -> None:
    application = begun(accounts)
    assert view.describe(application, sequence=1).warnings == ()
    assert "No account" not in view.details(application)


COVERING = Covering(uid=UID, application_id="run-2", company_name="Beta Ltd.", stage=Stage.ACTIVE)
KNOWN = (Account(uid=UID, enterprise=ENTERPRISE),)


def test_an_account_with_access_by_another_waits_and_says_so() -> None:
    asked = start.inquiry(OnboardingInput.model_validate(payloads.join(UID)), joined(), JOINED_AT)
    # Asked once for all.
    assert [request.kind for request in asked.clocks]
    assert asked.accounts is not None
    assert (asked.accounts.uids, About.COVERAGE in asked.accounts.about) == ((UID,), True)
    application = begun(AccountAnswers(accounts=KNOWN, covered_by=(COVERING,)))
    status = view.describe(application, sequence=1)
    assert status.stage == "drafting"
    [warning] = status.warnings
    assert warning.startswith(f"UID {UID} had access to the ACPN platform by another company's application")
    assert "your BD" in warning
    assert "Beta" not in warning
    assert "This UID had access" in view.details(application)


def test_one_that_another_application_only_asks_access_for_does_not() -> None:
    for stage in (Stage.UNDER_REVIEW, Stage.ACTIVATING):
        running = COVERING.model_copy(update={"stage": stage})
        application = begun(AccountAnswers(accounts=KNOWN, covered_by=(running,)))
        assert view.describe(application, sequence=1).warnings == ()


def test_once_the_company_is_confirmed_nothing_is_said_any_more() -> None:
    journey = journey_to("drafting")
    journey.application = journey.application.but(account_unknown=True)
    journey.directory = AccountAnswers()
    assert refused(journey, "confirm_company")[0] == "not_found"
    assert journey.application.account_unknown
    journey.directory = AccountAnswers(accounts=(Account(uid=UID, enterprise=ENTERPRISE),))
    journey.say("confirm_company")
    assert journey.application.company_confirmed
    assert not journey.application.account_unknown
