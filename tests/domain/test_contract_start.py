"""The start of the contract, which is counted again while the contract waits for it."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.domain.applications import Journey, journey_to, signature
from tests.domain.situations import told


class TestStartCountedAgain:
    """Zone rules change while a contract waits for months: its start is counted again, at little cost."""

    def recounts(self, journey: Journey) -> list[int]:
        """How many days before the start it is counted again."""
        start = journey.status.contract_start_at
        assert start
        while journey.status.stage == "signed":
            journey.wait()
        return [(start - at).days for at, name in self.moments(journey) if name == "start_recount"]

    @staticmethod
    def moments(journey: Journey) -> list[tuple[datetime, str]]:
        return [(at, moment.name) for at, (moment, _) in zip(journey.times, journey.moments, strict=True)]

    def signed(self, days: int) -> Journey:
        """Signed so many days before the contract starts."""
        journey = journey_to("partner_signed")
        journey.now = datetime(2026, 9, 1, tzinfo=UTC) - timedelta(days=days)
        journey.say("sign_contract", role="vendor", **signature(journey, "vendor"))
        return journey

    @pytest.mark.parametrize(
        ("days", "counted"),
        [(180, [29, 3]), (35, [29, 3]), (30, [3]), (9, [3]), (7, []), (1, []), (-1, [])],
    )
    def test_weeks_and_days_before_it(self, days: int, counted: list[int]) -> None:
        assert self.recounts(self.signed(days)) == counted

    def test_where_nothing_has_changed_nothing_is_recorded_nor_told(self) -> None:
        journey = self.signed(180)
        events, mails, shown = journey.transitions, len(journey.mails), journey.status
        for _ in range(2):
            journey.wait()
            assert journey.moments[-1][0].name == "start_recount"
            assert journey.status == shown
        assert (journey.transitions, len(journey.mails)) == (events, mails)

    @pytest.mark.parametrize("later", [timedelta(hours=1), -timedelta(hours=1)])
    def test_a_start_that_moves_is_recorded_and_told_and_kept_to(self, later: timedelta) -> None:
        journey = self.signed(180)
        events, start = journey.transitions, journey.status.contract_start_at
        assert start
        journey.day_begins_later = later

        assert told(journey.wait().notices) == ["contract_start_moved"]

        moved = journey.status
        assert moved.contract_start_at == moved.due_at == start + later
        assert journey.mails[-1].said["start"].at == start + later
        assert journey.transitions == events + 1
        assert told(journey.wait().notices) == [], "and then no more"
        journey.wait()
        assert (journey.status.stage, journey.now) == ("activating", start + later)

    def test_an_amendment_counts_anew_and_is_told_as_such(self) -> None:
        journey = self.signed(180)
        decision = journey.say(
            "amend_start_date", start_date="2026-12-24", time_zone="Asia/Shanghai", reason="Later."
        )
        assert told(decision.notices) == ["start_date_amended"]
        assert self.recounts(journey) == [29, 3]

        soon = self.signed(40)
        day = (soon.now + timedelta(days=3)).date().isoformat()
        soon.say("amend_start_date", start_date=day, time_zone="UTC", reason="Earlier.")
        assert self.recounts(soon) == []

    def test_a_release_that_no_longer_knows_the_zone_moves_nothing(self) -> None:
        journey = self.signed(180)
        events, shown = journey.transitions, journey.status
        journey.calendar_known = False
        journey.wait()
        assert journey.status == shown
        assert (journey.transitions, journey.application.estimates_told) == (events, ())

    def test_long_asleep_it_is_counted_when_there_is_time_to(self) -> None:
        journey = self.signed(180)
        journey.now = datetime(2026, 8, 25, tzinfo=UTC)
        assert self.recounts(journey) == [6], "what is due at once, and not again days later"
