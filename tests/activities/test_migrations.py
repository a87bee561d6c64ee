"""From the schema of release 0.1.0 to that of today: what was stored then can still be read."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from alembic import command
from sqlalchemy import Connection, text

from activities.db.access import SqlAcpnAccess
from activities.db.applications import ApplicationRecords
from activities.db.email_ledger import EmailLedger, LedgerState
from activities.db.engine import Database
from activities.db.schema import Schema, SchemaMismatchError
from activities.db.trail import AuditTrail, Written
from domain.chain import broken_at
from domain.contract import Role, Stage
from domain.documents import sheet_hash
from domain.inquiry import Head
from domain.sheets import field_changes
from domain.status import Status
from tests.activities.examples import APPROVED, LINEAGE, NOON, application, content, entry, form, publication
from tests.activities.schemas import alembic, differences

STATUS: dict[str, Any] = {
    "application_id": "run-1",
    "company_master_uid": "1001",
    "stage": "awaiting_signatures",
    "status_text": "Waiting for signing contract",
    "waiting_on": "both",
    "allowed_commands": ["record_contact", "sign_contract"],
    "due_at": "2025-03-19T16:00:00Z",
    "overdue": True,
    "form_revision": 1,
    "application": form(1).model_dump(mode="json"),
    "sheet": {"revision": 2, "hash": sheet_hash(content(2)), "content": content(2).model_dump(mode="json")},
    "confirmed_revision": 2,
    "last_refusals": [
        {"at": "2025-03-14T04:00:00Z", "command": "decline", "error": "forbidden", "message": "no"}
    ],
    "pending_emails": 1,
}
"""As release 0.1.0 wrote it into a row: whole."""
ROWS: list[tuple[str, dict[str, Any]]] = [
    (
        "applications",
        {
            "application_id": "run-1",
            "workflow_id": "reseller-onboarding-1001",
            "company_master_uid": "1001",
            "company_name": "Acme 1 有限公司",
            "stage": "awaiting_signatures",
            "waiting_on": "both",
            "due_at": datetime(2025, 3, 19, 16, tzinfo=UTC),
            "overdue": True,
            "sequence": 4,
            "status": json.dumps(STATUS),
            "created_at": NOON,
            "updated_at": NOON + timedelta(hours=1),
        },
    ),
    *(
        (
            "audit_events",
            {
                "application_id": "run-1",
                "sequence": sequence,
                "at": NOON + timedelta(minutes=sequence),
                "command": command_,
                "verdict": verdict,
                "command_id": f"c-{sequence}",
                "actor": json.dumps({"role": "partner", "id": "p-1"}),
                "from_stage": "drafting",
                "to_stage": "drafting",
                "error": error,
                "message": error and "no",
                "sheet_revision": None,
                "details": json.dumps({"sheet": content(1).model_dump(mode="json")}),
            },
        )
        for sequence, command_, verdict, error in (
            (1, "issue_decision_sheet", "accepted", None),
            (2, "decline", "refused", "forbidden"),
        )
    ),
    *(
        (
            "decision_sheets",
            {
                "application_id": "run-1",
                "revision": revision,
                "hash": sheet_hash(content(revision)),
                "content": json.dumps(content(revision).model_dump(mode="json")),
                "issued_at": NOON,
            },
        )
        for revision in (1, 2, 3)
    ),
    *(
        (
            "emails",
            {
                "application_id": "run-1",
                "key": f"{position}.sheet_to_confirm",
                "position": position,
                "template": "sheet_to_confirm",
                "locale": "en",
                "recipient": "mei@partner.example",
                "subject": "Decision sheet",
                "message_id": f"<{position}@vendor.example>",
                "state": state,
                "attempts": 1,
                "deferrals": 0,
                "queued_at": NOON,
            },
        )
        for position, state in ((1, "sent"), (2, "failed"), (3, "pending"))
    ),
    (
        "access_grants",
        {"application_id": "run-0", "uid": "1002", "company_master_uid": "1001", "granted_at": NOON},
    ),
]


def to_first(connection: Connection) -> None:
    """The schema of release 0.1.0, with rows as it wrote them."""
    command.upgrade(alembic(connection), "0001")
    for table, values in ROWS:
        stored = {
            name: value.replace(tzinfo=None).isoformat(sep=" ") + ".000000"
            if isinstance(value, datetime) and connection.dialect.name == "sqlite"
            else value
            for name, value in values.items()
        }
        names = ", ".join(f'"{name}"' for name in stored)
        places = ", ".join(f":{name}" for name in stored)
        connection.execute(text(f"INSERT INTO {table} ({names}) VALUES ({places})"), stored)  # noqa: S608


@pytest_asyncio.fixture
async def upgraded(unmigrated_url: str) -> AsyncIterator[Database]:
    """A database of release 0.1.0 that this release has taken over."""
    database = Database(unmigrated_url)
    if database.engine.dialect.name == "sqlite":
        Path(str(database.engine.url.database)).parent.mkdir()
    await database.write(to_first)
    schema = Schema(database)
    # By itself a worker does not take a step that ends the way back.
    for attempt in (schema.check, schema.migrate):
        with pytest.raises(SchemaMismatchError, match=r"older release \(0001\); this one needs ") as mismatch:
            await attempt()
        assert (mismatch.value.found, mismatch.value.ahead) == ("0001", False)
        assert "`onboarding setup --contract`" in mismatch.value.remedy
    await schema.migrate(contract=True)
    await schema.check()
    yield database
    await database.dispose()


async def test_the_schema_is_that_of_a_new_database(upgraded: Database) -> None:
    assert await upgraded.read(differences) == []


async def test_applications_are_read_as_they_were_written(upgraded: Database) -> None:
    stored = await ApplicationRecords(upgraded).newest("1001")
    assert stored is not None
    assert (stored.stage, stored.sequence, stored.overdue) == (Stage.AWAITING_SIGNATURES, 4, True)
    assert (stored.created_at, stored.updated_at) == (NOON, NOON + timedelta(hours=1))
    assert stored.status == Status.model_validate(STATUS)
    assert stored.status.application == form(1)
    assert stored.status.sheet is not None
    assert stored.status.sheet.content == content(2)
    assert [refusal.error for refusal in stored.status.last_refusals] == ["forbidden"]


async def test_the_audit_trail_stays_and_has_no_chain(upgraded: Database) -> None:
    trail = await ApplicationRecords(upgraded).trail("run-1")
    assert [(chained.event.sequence, chained.event.command) for chained in trail] == [
        (1, "issue_decision_sheet"),
        (2, "decline"),
    ]
    assert [chained.event.error for chained in trail] == [None, "forbidden"]
    assert {chained.event.actor and chained.event.actor.role for chained in trail} == {Role.PARTNER}
    assert "sheet" in trail[0].event.details
    assert broken_at("run-1", trail) == 1


async def test_sheets_still_show_how_each_differs_from_the_one_before(upgraded: Database) -> None:
    kept = await ApplicationRecords(upgraded).sheets("run-1")
    assert [(stored.sheet.revision, stored.void, stored.issued_at) for stored in kept] == [
        (revision, False, NOON) for revision in (1, 2, 3)
    ]
    assert [stored.sheet.content for stored in kept] == [content(revision) for revision in (1, 2, 3)]
    assert [stored.sheet.changes for stored in kept] == [
        (),
        *(
            field_changes(content(n - 1).model_dump(mode="json"), content(n).model_dump(mode="json"))
            for n in (2, 3)
        ),
    ]


async def test_mails_are_still_listed_and_none_is_sent_by_this_release(upgraded: Database) -> None:
    ledger = EmailLedger(upgraded)
    assert [row.state for row in await ledger.of("run-1")] == [
        LedgerState.SENT,
        LedgerState.FAILED,
        LedgerState.PENDING,
    ]
    assert await ledger.waiting(LINEAGE) == ()


async def test_access_stays(upgraded: Database) -> None:
    access = SqlAcpnAccess(upgraded)
    assert await access.is_partner("1001")
    assert [grant.uid for grant in await access.grants("1001")] == ["1002"]


async def test_a_new_application_of_the_same_applicant_begins_beside_it(upgraded: Database) -> None:
    trail, records = AuditTrail(upgraded), ApplicationRecords(upgraded)
    assert await trail.head("run-1") == Head()
    begun = publication(application("run-2"), entry(1, APPROVED, at=NOON + timedelta(days=1)))
    assert await trail.publish(begun) is Written.STORED
    assert [stored.application_id for stored in await records.applications_of("1001")] == ["run-2", "run-1"]
    assert broken_at("run-2", await records.trail("run-2")) is None


async def test_the_way_back_leaves_what_the_release_before_knew(upgraded: Database) -> None:
    with upgraded.engine.begin() as connection:
        to_first_again(connection)
        for table, values in ROWS:
            count = text(f"SELECT count(*) FROM {table} WHERE application_id = :application_id")  # noqa: S608
            found = connection.execute(count, {"application_id": values["application_id"]}).scalar_one()
            assert found == sum(other == table for other, _ in ROWS)
    await Schema(upgraded).migrate(contract=True)
    assert await upgraded.read(differences) == []


def to_first_again(connection: Connection) -> None:
    command.downgrade(alembic(connection), "0001")
