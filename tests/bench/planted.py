"""Evidence of a run in which every promise was kept, and what can be planted in it."""

from collections.abc import Callable
from typing import Any

from bench.chaos.evidence import Audited, Evidence, Mail
from bench.chaos.oracle import judge
from bench.chaos.oracle_mails import judge_mails
from bench.chaos.oracle_records import judge_records
from bench.chaos.plan import Script, plan
from tests.bench.records import kept

PLAN = plan(3, 40, seconds=60)
KEPT = kept(PLAN)
SOUND = next(script for script in PLAN.scripts if not script.bounces)
BOUNCING = next(script for script in PLAN.scripts if script.bounces)


def broken(evidence: Evidence, scripts: tuple[Script, ...] = PLAN.scripts) -> set[str]:
    """The promises that are broken."""
    mails, _ = judge_mails(scripts, evidence)
    found = (*judge(scripts, evidence), *judge_records(scripts, evidence), *mails)
    return {violation.promise for violation in found}


def changed(name: str, change: Callable[[Any], bool], of: Evidence = KEPT, **values: Any) -> Evidence:
    """With the first record of this kind that ``change`` picks given other values; without any, removed."""
    records = list(getattr(of, name))
    index = next(i for i, record in enumerate(records) if change(record))
    records[index : index + 1] = [records[index].model_copy(update=values)] if values else []
    return of.model_copy(update={name: tuple(records)})


def added(name: str, record: Any) -> Evidence:
    """With one more record of this kind."""
    return KEPT.model_copy(update={name: (*getattr(KEPT, name), record)})


def the_run(**values: Any) -> Evidence:
    """With the run of an applicant without bounces given other values; without any, removed."""
    return changed("runs", lambda run: run.uid == SOUND.uid, **values)


def an_event(**wanted: Any) -> Audited:
    """The first event that has these values."""
    return next(
        event for event in KEPT.audit if all(getattr(event, name) == value for name, value in wanted.items())
    )


def appended(event: Audited, **values: Any) -> Evidence:
    """With one more event at the end of an application's trail, otherwise consistent."""
    trail = [other for other in KEPT.audit if other.application_id == event.application_id]
    last = max(trail, key=lambda other: other.sequence)
    more = event.model_copy(
        update={
            "sequence": last.sequence + 1,
            "from_stage": last.to_stage,
            "to_stage": last.to_stage,
            **values,
        }
    )
    refused = (more.command_id,) if more.verdict == "refused" else ()
    rows = tuple(
        row.model_copy(update={"sequence": more.sequence, "refusals": (*row.refusals, *refused)[-20:]})
        if row.application_id == event.application_id
        else row
        for row in KEPT.rows
    )
    trails = tuple(
        kept_end.model_copy(update={"head_sequence": more.sequence, "head_hash": more.hash})
        if kept_end.application_id == event.application_id
        else kept_end
        for kept_end in KEPT.trails
    )
    return KEPT.model_copy(update={"audit": (*KEPT.audit, more), "rows": rows, "trails": trails})


def a_mail() -> Mail:
    """Some mail to a partner."""
    return next(mail for mail in KEPT.mails if mail.template == "application_approved")
