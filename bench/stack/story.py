"""One applicant to ACPN access through the stack's front door, while its parts are killed."""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from bench.stack.front_door import APPLICATION, UID, FrontDoor, Reply
from bench.stack.stack import ROOT, Answer, Stack, StackError, waited

ENTERPRISE: Final = (
    *("--enterprise", "Lin Cloud Ltd", "--registration", "91310000MA1K00001X"),
    *("--country", "CN", "--verified"),
)
APPLICANT: Final = {
    "company_master_uid": UID,
    "contact_name": "Mei Lin",
    "contact_email": "mei@lincloud.example",
}
RECEIVER: Final = "http://receiver:8080/hooks"
AGAIN: Final = 60
"""How often a caller sends a command again, under its old command ID, before he gives up: once a second."""
OK: Final = 200
CREATED: Final = 201
UNAUTHENTICATED: Final = 401
UNAVAILABLE: Final = 503

Say = Callable[[str], None]


class Story:
    """Plays it; ``say`` gets a line for every step, with its figures."""

    def __init__(self, stack: Stack, door: FrontDoor, say: Say) -> None:
        self._stack = stack
        self._door = door
        self._say = say
        self._workers: Sequence[str] = stack.containers("worker")
        [self._temporal], [self._postgres] = stack.containers("temporal"), stack.containers("postgres")
        [self._web] = stack.containers("web-demo")

    def play(self) -> str:
        """From JOIN NOW to access granted; gives the secret of the endpoint that is told of it.

        Raises:
            StackError: a step did not lead where it must.
        """
        form = json.loads((ROOT / "examples/application.json").read_text(encoding="utf-8"))
        sheet = json.loads((ROOT / "examples/sheet.json").read_text(encoding="utf-8"))
        for account in (UID, "5123456790"):
            answer = succeeded("account", self._stack.onboarding("account", "set", account, *ENTERPRISE))
            self._say(f"      account: {answer.seconds:.1f} s")
        added = self._door.post("crm", "/api/v1/webhooks", {"url": RECEIVER})
        secret = str(self._held("webhook", added, CREATED).said["secret"])
        self._held("join", self._door.post("mei", "/api/v1/applications", APPLICANT), CREATED)
        self._held("confirm_company", self._door.send("mei", "confirm_company"))
        self._the_front_door_is_killed(form)
        self._a_worker_is_killed()
        self._held("issue_decision_sheet", self._door.send("wei", "issue_decision_sheet", sheet=sheet))
        self._temporal_is_killed()
        self._postgresql_is_killed()
        self._a_worker_hangs()
        self._the_partner_signs()
        self._everything_is_killed()
        waited("access is granted", self._has_access)
        return secret

    def _the_front_door_is_killed(self, form: Mapping[str, Any]) -> None:
        self._stack.signal("STOP", *self._workers)
        command = self._door.begin("mei", "submit_application", application=form)
        time.sleep(1)
        self._stack.signal("KILL", self._web)
        first = command()
        if first.status:
            raise StackError(f"`submit_application` was answered {first.status} by who was killed")
        self._stack.signal("CONT", *self._workers)
        self._stack.start(self._web)
        back = self._stack.until("healthy", self._web)
        again = self._again("mei", "submit_application", application=form)
        self._say(
            f"kill  front door, `submit_application` under way: healthy {back:.0f} s after the start;"
            f" `submit_application`: {again}"
        )

    def _a_worker_is_killed(self) -> None:
        self._stack.signal("STOP", *self._workers)
        command = self._door.begin("wei", "approve_application", form_revision=1)
        time.sleep(1)
        self._stack.signal("KILL", self._workers[0])
        self._stack.signal("CONT", self._workers[1])
        answered = self._held("approve_application", command()).seconds
        self._stack.start(self._workers[0])
        back = self._stack.until("healthy", *self._workers)
        self._say(
            f"kill  one worker, with `approve_application` under way: answered after {answered:.1f} s;"
            f" both healthy {back:.0f} s after the start"
        )

    def _temporal_is_killed(self) -> None:
        terms = self._terms()
        self._stack.signal("KILL", self._temporal)
        self._held("status", self._door.get("mei"))
        stored = self._stack.onboarding("status", UID)
        if stored.code != 0 or "as stored" not in stored.output:
            raise StackError(f"the stored status is not shown:\n{stored.output}{stored.errors}")
        self._refused("doctor")
        away = self._unavailable("mei", "confirm_terms", **terms)
        noticed = self._stack.until("unhealthy", *self._workers, self._web)
        self._stack.start(self._temporal)
        back = self._stack.until("healthy", self._temporal, *self._workers, self._web)
        again = self._again("mei", "confirm_terms", **terms)
        self._say(
            f"kill  Temporal: stored status shown, `confirm_terms` unavailable after {away:.1f} s, workers"
            f" and front door unhealthy {noticed:.0f} s later; all healthy {back:.0f} s after the start;"
            f" `confirm_terms`: {again}"
        )

    def _postgresql_is_killed(self) -> None:
        self._stack.signal("KILL", self._postgres)
        away = self._unavailable("wei", "record_contact")
        self._stack.start(self._postgres)
        back = self._stack.until_polling(*self._workers)
        self._stack.until("healthy", self._postgres, self._temporal, *self._workers, self._web)
        again = self._again("wei", "record_contact")
        self._say(
            f"kill  PostgreSQL: `record_contact` unavailable after {away:.1f} s; both workers poll"
            f" {back:.0f} s after the start; `record_contact`: {again}"
        )

    def _a_worker_hangs(self) -> None:
        self._stack.signal("STOP", self._workers[1])
        noticed = self._stack.until("unhealthy", self._workers[1])
        if self._stack.health(self._workers[0]) != "healthy":
            raise StackError("the worker that does not hang is not healthy")
        self._stack.signal("CONT", self._workers[1])
        back = self._stack.until("healthy", self._workers[1])
        self._say(f"hang  one worker: unhealthy after {noticed:.0f} s; healthy {back:.0f} s after it goes on")

    def _the_partner_signs(self) -> None:
        """By a delivery of the provider: one that is forged first, then the true one three times."""
        began = time.monotonic()
        signed_at = _now()
        told = {
            "type": "document.signed",
            "timestamp": signed_at,
            "data": {
                "external_id": self._status()["external_id"],
                "party": "partner",
                "signer_name": "Mei Lin",
                "signed_at": signed_at,
                "document_ref": "DOC-17",
            },
        }
        forged = self._door.report_signature("stack-1", told, secret=f"whsec_{'A' * 32}")
        if forged.status != UNAUTHENTICATED:
            raise StackError(f"a forged delivery was answered {forged.status}")
        for _ in range(3):
            self._held("delivery", self._door.report_signature("stack-1", told))
        waited("the partner has signed", lambda: self._status()["signing"]["partner"] is not None)
        if self._status()["signing"]["partner"]["signer_name"] != "Mei Lin":
            raise StackError("somebody else has signed")
        self._say(
            f"sign  by a delivery, three times the same, a forged one refused: signed, and stored,"
            f" {time.monotonic() - began:.1f} s later"
        )

    def _everything_is_killed(self) -> None:
        signing = {"party": "vendor", "signer_name": "Vic Moreau", "signed_at": _now()} | self._terms()
        everything = (*self._workers, self._web, self._temporal, self._postgres)
        self._stack.signal("STOP", *self._workers)
        command = self._door.begin("vic", "sign_contract", **signing)
        time.sleep(1)
        self._stack.signal("KILL", *everything)
        first = command()
        self._stack.start(self._postgres)
        self._stack.until("healthy", self._postgres)
        self._stack.start(self._temporal, self._web, *self._workers)
        back = self._stack.until("healthy", *everything)
        again = self._again("vic", "sign_contract", **signing)
        self._say(
            "kill  front door, workers, Temporal and PostgreSQL at once, `sign_contract` under way (status"
            f" {first.status}); all healthy {back:.0f} s after the start; `sign_contract`: {again}"
        )

    def _has_access(self) -> bool:
        reply = self._door.get("mei", f"{APPLICATION}/access")
        return reply.status == OK and bool(reply.said["granted"])

    def _status(self) -> Mapping[str, Any]:
        status: Mapping[str, Any] = self._held("", self._door.get("ops")).said
        return status

    def _terms(self) -> dict[str, object]:
        sheet = self._status()["sheet"]
        return {"sheet_revision": sheet["revision"], "sheet_hash": sheet["hash"]}

    def _held(self, name: str, reply: Reply, status: int = OK) -> Reply:
        if reply.status != status:
            raise StackError(f"{name or 'status'} was answered {reply.status}: {reply.said}")
        if name:
            self._say(f"      {name}: {reply.seconds:.2f} s")
        return reply

    def _unavailable(self, persona: str, command: str, **fields: object) -> float:
        reply = self._door.send(persona, command, **fields)
        if reply.status != UNAVAILABLE or "retry-after" not in reply.headers:
            raise StackError(f"{command} was answered {reply.status}: {reply.said}")
        return reply.seconds

    def _refused(self, *arguments: str) -> None:
        answer = self._stack.onboarding(*arguments)
        if answer.code != 1 or "Traceback" in answer.errors:
            raise StackError(f"{arguments[0]} ended with {answer.code}:\n{answer.output}{answer.errors}")

    def _again(self, persona: str, command: str, **fields: object) -> str:
        """Send a command again, under its ID, until it is answered."""
        began = time.monotonic()
        for attempt in range(1, AGAIN + 1):
            reply = self._door.send(persona, command, **fields)
            if reply.status == OK:
                return f"answered at attempt {attempt}, after {time.monotonic() - began:.1f} s"
            if reply.status not in {0, UNAVAILABLE}:
                raise StackError(f"{command} was answered {reply.status}: {reply.said}")
            time.sleep(1)
        raise StackError(f"{command} is not answered any more")


def succeeded(name: str, answer: Answer) -> Answer:
    """The answer of the console script. Raises StackError if it failed."""
    if answer.code != 0:
        raise StackError(f"{name} ended with {answer.code}:\n{answer.output}{answer.errors}")
    return answer


def _now() -> str:
    return datetime.now(UTC).isoformat()
