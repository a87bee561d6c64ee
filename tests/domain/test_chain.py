"""The chain of an audit trail: an event changed, removed, added or swapped is found, by its number."""

import hashlib
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.audit import AuditEvent, Verdict
from domain.chain import PERSONAL, ChainedEvent, broken_at, chained
from domain.contract import Actor, Role, Stage, Via

APPLICATION: Final = "run-1"
NOON: Final = datetime(2026, 3, 2, 4, tzinfo=UTC)
LENGTH: Final = 5


def event(number: int) -> AuditEvent:
    return AuditEvent(
        sequence=number,
        at=NOON + timedelta(minutes=number),
        command="approve_application",
        verdict=Verdict.ACCEPTED,
        command_id=f"c-{number}",
        actor=Actor(role=Role.BD, id="bd-1", name="李伟"),
        occurred_at=NOON,
        from_stage=Stage.UNDER_REVIEW,
        to_stage=Stage.QUALIFIED,
        error="invalid",
        message="Ann Tan asked for it.",
        form_revision=number,
        sheet_revision=number + 1,
        via=Via(channel="api", client="crm"),
        details={"note": "Ann Tan", "list": [1, None, {"a": "é"}]},
    )


def trail(length: int = LENGTH) -> list[ChainedEvent]:
    """A trail as it was written."""
    events: list[ChainedEvent] = []
    for number in range(1, length + 1):
        previous = events[-1].link.hash if events else None
        link = chained(event(number), APPLICATION, previous, f"salt-{number}")
        events.append(ChainedEvent(event=event(number), link=link))
    return events


def with_event(stored: ChainedEvent, **changes: Any) -> ChainedEvent:
    return stored.model_copy(update={"event": stored.event.model_copy(update=changes)})


def with_link(stored: ChainedEvent, **changes: Any) -> ChainedEvent:
    return stored.model_copy(update={"link": stored.link.model_copy(update=changes)})


def test_a_trail_as_it_was_written_is_intact() -> None:
    for length in range(LENGTH + 1):
        assert broken_at(APPLICATION, trail(length)) is None


CHANGED: Final[dict[str, Any]] = {
    "sequence": 77,
    "at": NOON,
    "command": "reject_application",
    "verdict": Verdict.REFUSED,
    "command_id": "c-x",
    "actor": Actor(role=Role.BD, id="bd-1", name="李慧"),
    "occurred_at": None,
    "from_stage": Stage.DRAFTING,
    "to_stage": Stage.REJECTED,
    "error": None,
    "message": "Ann Tan asked for it!",
    "form_revision": 9,
    "sheet_revision": None,
    "via": None,
    "details": {"note": "Ann Tan", "list": [1, None, {"a": "e"}]},
}


@pytest.mark.parametrize("field", AuditEvent.model_fields)
@pytest.mark.parametrize("at", [0, 2, LENGTH - 1])
def test_a_changed_field_is_found(field: str, at: int) -> None:
    events = trail()
    events[at] = with_event(events[at], **{field: CHANGED[field]})
    assert broken_at(APPLICATION, events) == events[at].event.sequence


@pytest.mark.parametrize("part", ["previous", "commitment", "hash", "salt"])
@pytest.mark.parametrize("at", [0, 2, LENGTH - 1])
def test_a_changed_byte_of_a_link_is_found(part: str, at: int) -> None:
    events = trail()
    value = getattr(events[at].link, part) or "0" * 64
    other = ("1" if value[0] == "0" else "0") + value[1:]
    events[at] = with_link(events[at], **{part: other})
    assert broken_at(APPLICATION, events) == at + 1


@given(at=st.integers(0, LENGTH - 1), data=st.data())
def test_any_changed_byte_is_found(at: int, data: st.DataObject) -> None:
    """Of what is stored: it no longer reads, or the event is named."""
    events = trail()
    stored = events[at].model_dump_json()
    position = data.draw(st.integers(0, len(stored) - 1))
    notice = data.draw(st.sampled_from("0123456789abcdefXYZ"))
    changed = stored[:position] + notice + stored[position + 1 :]
    try:
        events[at] = ChainedEvent.model_validate_json(changed)
    except ValueError:
        return
    if json.loads(events[at].model_dump_json()) == json.loads(stored):
        assert broken_at(APPLICATION, events) is None, "the same said in another way"
    else:
        assert broken_at(APPLICATION, events) == events[at].event.sequence


TAMPERED: Final[dict[str, tuple[Callable[[list[ChainedEvent]], list[ChainedEvent]], int]]] = {
    "the first removed": (lambda events: events[1:], 2),
    "one removed": (lambda events: events[:2] + events[3:], 4),
    "two swapped": (lambda events: [events[0], events[2], events[1], *events[3:]], 3),
    "one twice": (lambda events: [*events[:3], events[2], *events[3:]], 3),
    "one put in between": (lambda events: [*events[:3], forged(events[2]), *events[3:]], 4),
    "one replaced by another that is chained well": (
        lambda events: [*events[:2], forged(events[1]), *events[3:]],
        4,
    ),
    "the beginning of another trail": (lambda events: [*trail(2)[:1], *events[2:]], 3),
}


def forged(after: ChainedEvent) -> ChainedEvent:
    """Another event in the place of the next, as somebody would write it who knows how."""
    other = event(after.event.sequence + 1).model_copy(update={"message": "forged"})
    return ChainedEvent(event=other, link=chained(other, APPLICATION, after.link.hash, "salt"))


@pytest.mark.parametrize("how", TAMPERED)
def test_removed_swapped_and_added_events_are_found(how: str) -> None:
    tamper, found = TAMPERED[how]
    assert broken_at(APPLICATION, tamper(trail())) == found


def test_a_trail_is_its_applications() -> None:
    assert broken_at("run-2", trail()) == 1


def test_a_tail_that_is_cut_off_needs_the_head() -> None:
    """Which is stored apart: the chain alone can't show it."""
    assert broken_at(APPLICATION, trail()[:3]) is None
    assert trail()[:3][-1].link.hash != trail()[-1].link.hash


class TestForgetting:
    """Salt and personal part may go, and the chain still verifies."""

    def forgotten(self, stored: ChainedEvent) -> ChainedEvent:
        nobody = dict.fromkeys(PERSONAL) | {"details": {}}
        return with_link(with_event(stored, **nobody), salt=None)

    @pytest.mark.parametrize("at", [[0], [2], list(range(LENGTH))])
    def test_what_is_forgotten_verifies(self, at: list[int]) -> None:
        events = [self.forgotten(each) if n in at else each for n, each in enumerate(trail())]
        assert broken_at(APPLICATION, events) is None

    @pytest.mark.parametrize("field", sorted(AuditEvent.model_fields.keys() - set(PERSONAL)))
    def test_what_is_left_is_still_held(self, field: str) -> None:
        events = [self.forgotten(each) for each in trail()]
        events[2] = with_event(events[2], **{field: CHANGED[field]})
        assert broken_at(APPLICATION, events) == events[2].event.sequence

    def test_part_of_it_gone_is_a_change(self) -> None:
        events = trail()
        events[2] = with_event(events[2], message=None)
        assert broken_at(APPLICATION, events) == 3

    def test_the_hash_does_not_tell_what_it_was(self) -> None:
        """The same words under another salt leave another commitment: nobody can try them out."""
        one, other = (chained(event(1), APPLICATION, None, salt) for salt in ("a", "b"))
        assert one.commitment != other.commitment
        assert one.hash != other.hash

    def test_a_field_is_personal_or_not(self) -> None:
        impersonal = {
            *("sequence", "at", "command", "verdict", "from_stage", "to_stage", "error"),
            *("form_revision", "sheet_revision"),
        }
        assert impersonal | set(PERSONAL) == AuditEvent.model_fields.keys(), (
            "a new field of an event is personal (PERSONAL, chain.py), or is named here"
        )


def test_anyone_can_recompute_it() -> None:
    """For strings in ASCII and whole numbers, RFC 8785 is JSON with sorted keys and no spaces."""

    def digest(value: Any) -> str:
        canonical = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return hashlib.sha256(canonical.encode()).hexdigest()

    joined = AuditEvent(
        sequence=1,
        at=NOON,
        command="join",
        verdict=Verdict.ACCEPTED,
        from_stage=Stage.DRAFTING,
        to_stage=Stage.DRAFTING,
        details={"a": 1},
    )
    link = chained(joined, APPLICATION, None, "abc")
    commitment = digest({"salt": "abc", "personal": {"details": {"a": 1}}})
    impersonal = {
        "sequence": 1,
        "at": "2026-03-02T04:00:00Z",
        "command": "join",
        "verdict": "accepted",
        "from_stage": "drafting",
        "to_stage": "drafting",
    }
    assert link.commitment == commitment
    assert link.hash == digest(
        {"application_id": APPLICATION, "previous": None, "commitment": commitment, "event": impersonal}
    )
    assert (link.previous, link.salt) == (None, "abc")
