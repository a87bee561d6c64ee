"""A contract that is signed: its start is amended, and it is ended, until it is in effect (guide §2.4)."""

from datetime import timedelta
from typing import Final

import pytest

from domain.contract import Role
from domain.inquiry import AccessOutcome
from domain.status import AccessCause, Closing, Missing
from tests.domain.applications import (
    MISSING,
    START,
    UID,
    Journey,
    journey_to,
    refused,
)


class TestAmendments:
    """The start date while `signed`."""

    @pytest.mark.parametrize(
        ("day", "zone"), [("2026-09-02", "Asia/Singapore"), (START, "Asia/Tokyo"), ("2022-01-01", "UTC")]
    )
    def test_another_day_or_zone_is_an_amendment(self, day: str, zone: str) -> None:
        journey = journey_to("signed")
        journey.say("amend_start_date", start_date=day, time_zone=zone, reason="Agreed by phone.")
        [amendment] = journey.status.amendments
        assert (amendment.start_date.isoformat(), amendment.time_zone) == (day, zone)
        assert amendment.by
        assert amendment.by.role == "bd"

    def test_the_day_in_force_is_not(self) -> None:
        journey = journey_to("signed")
        said = {"time_zone": "Asia/Singapore", "reason": "Once more."}
        journey.say("amend_start_date", start_date=START, **said)
        assert not journey.status.amendments
        journey.say("amend_start_date", start_date="2026-10-01", **said)
        journey.say("amend_start_date", start_date="2026-10-01", **said)
        assert len(journey.status.amendments) == 1
        journey.say("amend_start_date", start_date=START, **said)
        assert len(journey.status.amendments) == 2, "back to the sheet's date is an amendment as well"


TAKEN: Final = Missing(cause=AccessCause.COVERED_ELSEWHERE, uids=(UID,))


class TestEndingTheContract:
    """It can be ended until it begins (guide §2.4), though the clock may be late with saying that it has; and
    while another application's access keeps this one's from being opened."""

    def held_up(self, *missing: Missing) -> Journey:
        journey = journey_to("activating")
        journey.wait(AccessOutcome(granted=False, missing=missing))
        assert journey.status.stage == "activating"
        return journey

    def test_what_another_application_holds_up_has_an_end(self) -> None:
        journey = self.held_up(TAKEN)
        assert "end_contract" in journey.status.allowed_for[Role.BD]
        assert "has access by another application, please consult your BD" in journey.status.access.message
        decision = journey.say("end_contract", reason="Beta Ltd. keeps the account.")
        assert journey.status.stage == "cancelled"
        assert journey.status.closing == Closing(by=Role.BD, reason="Beta Ltd. keeps the account.")
        assert decision.close_access, "an attempt may have succeeded though its answer got lost"
        ended = [(mail.template, mail.notice.model_dump()["missing"]) for mail in journey.mails[-2:]]
        told = ({"cause": "covered_elsewhere", "uids": (UID,)},)
        assert ended == [("contract_ended", told), ("contract_ended_to_bd", told)]
        assert refused(journey, "end_contract", reason="Again.")[0] == "closed"

    def test_what_waits_for_something_else_has_none(self) -> None:
        journey = self.held_up(MISSING)
        assert "end_contract" not in journey.status.allowed_commands
        error, message = refused(journey, "end_contract", reason="Off.")
        assert error == "wrong_stage"
        assert (
            "access is being opened) unless another application's access to an account keeps it from"
            in message
        )
        assert refused(journey_to("activating"), "end_contract", reason="Off.")[0] == "wrong_stage"

    def test_nor_once_the_other_has_given_it_up(self) -> None:
        journey = self.held_up(TAKEN)
        journey.wait(AccessOutcome(granted=False, missing=(MISSING,)))
        assert refused(journey, "end_contract", reason="Off.")[0] == "wrong_stage"
        assert journey.wait().application.stage == "active"

    def test_before_its_start_nothing_is_taken_back(self) -> None:
        journey = journey_to("signed")
        assert not journey.say("end_contract", reason="Off.").close_access
        assert [mail.notice.model_dump().get("missing", ()) for mail in journey.mails[-2:]] == [(), ()]

    @pytest.mark.parametrize("late", [timedelta(), timedelta(hours=9), timedelta(days=3)])
    def test_not_once_it_is_in_effect(self, late: timedelta) -> None:
        journey = journey_to("signed")
        starts = journey.application.contract_start_at
        assert starts
        journey.now = starts + late
        for _ in range(2):
            assert refused(journey, "end_contract", reason="Off.") == (
                "wrong_stage",
                "'end_contract' is possible only before the contract starts; it has been in effect since "
                "2026-08-31T16:00:00Z. What is in effect is undone by the operators alone, by Temporal's "
                "Reset or Cancel (docs/how-to/resetting.md).",
            )

    def test_until_the_last_moment_before(self) -> None:
        journey = journey_to("signed")
        starts = journey.application.contract_start_at
        assert starts
        journey.now = starts - timedelta(microseconds=1)
        journey.say("end_contract", reason="Off.")
        assert journey.status.stage == "cancelled"

    def test_nor_once_its_start_is_amended_to_a_date_past(self) -> None:
        journey = journey_to("signed")
        journey.say("amend_start_date", start_date="2026-03-01", time_zone="UTC", reason="In effect already.")
        for _ in range(2):
            error, message = refused(journey, "end_contract", reason="Off.")
            assert (error, "by Temporal's Reset or Cancel" in message) == ("wrong_stage", True)
            if journey.application.stage == "signed":
                journey.wait()
        again = {"start_date": "2026-12-24", "time_zone": "UTC", "reason": "Not yet."}
        assert "by Temporal's Reset or Cancel" in refused(journey, "amend_start_date", **again)[1]
        told = refused(journey, "decline", role="partner", reason="Too late.")[1]
        assert "Temporal" not in told, "partners consult their BD"
