"""One applicant to ACPN access through the stack, while its parts are killed, and what must be left of it."""

import json
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, Final

from bench.stack.stack import ROOT, Answer, Stack, StackError, inspected, waited

UID: Final = "5123456789"
ENTERPRISE: Final = (
    *("--enterprise", "Lin Cloud Ltd", "--registration", "91310000MA1K00001X"),
    *("--country", "CN", "--verified"),
)
PEOPLE: Final = (
    *("--contact-name", "Mei Lin", "--contact-email", "mei@lincloud.example"),
    *("--bd-name", "Wei Zhang", "--bd-email", "wei@vendor.example"),
    *("--lead-name", "Ada Roth", "--lead-email", "ada@vendor.example"),
)
ACCEPTED: Final = (
    "confirm_company",
    "submit_application",
    "approve_application",
    "issue_decision_sheet",
    "confirm_terms",
    "record_contact",
    "sign_contract",
    "sign_contract",
)
"""Each once, in this order, whatever broke in between."""
AGAIN: Final = 20
"""How often a caller sends a command again, under its old command ID, before he gives up."""

Say = Callable[[str], None]


class Story:
    """Plays it; ``say`` gets a line for every step, with its figures."""

    def __init__(self, stack: Stack, say: Say) -> None:
        self._stack = stack
        self._say = say
        self._workers: Sequence[str] = stack.containers("worker")
        [self._temporal], [self._postgres] = stack.containers("temporal"), stack.containers("postgres")

    def play(self) -> None:
        """From JOIN NOW to access granted.

        Raises:
            StackError: a step did not lead where it must.
        """
        form = (ROOT / "examples/application.json").read_text(encoding="utf-8")
        sheet = (ROOT / "examples/sheet.json").read_text(encoding="utf-8")
        for account in (UID, "5123456790"):
            self._step("account", "set", account, *ENTERPRISE)
        self._step("join", UID, *PEOPLE)
        self._step("confirm-company", UID)
        self._step("submit", UID, "--form", "-", given=form)
        self._a_worker_is_killed()
        self._step("issue-sheet", UID, "--sheet", "-", given=sheet)
        self._temporal_is_killed()
        self._postgresql_is_killed()
        self._a_worker_hangs()
        self._step("sign", UID, "--party", "partner", "--signer", "Mei Lin")
        self._everything_is_killed()
        waited("access is granted", lambda: self._stack.onboarding("access", UID).code == 0)
        self._say(f"      {self._stack.onboarding('access', UID).output.strip()}")

    def _a_worker_is_killed(self) -> None:
        command = self._stack.begin("approve", UID)
        self._stack.signal("KILL", self._workers[0])
        answered = _succeeded("approve", command()).seconds
        self._stack.start(self._workers[0])
        back = self._stack.until("healthy", *self._workers)
        self._say(
            f"kill  one worker, with `approve` under way: answered after {answered:.1f} s;"
            f" both healthy {back:.0f} s after the start"
        )

    def _temporal_is_killed(self) -> None:
        self._stack.signal("KILL", self._temporal)
        stored = self._stack.onboarding("status", UID)
        if stored.code != 0 or "as stored" not in stored.output:
            raise StackError(f"the stored status is not shown:\n{stored.output}{stored.errors}")
        self._refused("doctor")
        away = self._refused("confirm", UID, "--command-id", "stack-confirm")
        noticed = self._stack.until("unhealthy", *self._workers)
        self._stack.start(self._temporal)
        back = self._stack.until("healthy", self._temporal, *self._workers)
        again = self._again("confirm", UID, "--command-id", "stack-confirm")
        self._say(
            f"kill  Temporal: stored status shown, `confirm` fails after {away:.1f} s, workers unhealthy"
            f" {noticed:.0f} s later; all healthy {back:.0f} s after the start; `confirm`: {again}"
        )

    def _postgresql_is_killed(self) -> None:
        self._stack.signal("KILL", self._postgres)
        away = self._refused("contact", UID, "--command-id", "stack-contact")
        self._stack.start(self._postgres)
        back = self._stack.until_polling(*self._workers)
        self._stack.until("healthy", self._postgres, self._temporal, *self._workers)
        again = self._again("contact", UID, "--command-id", "stack-contact")
        self._say(
            f"kill  PostgreSQL: `contact` fails after {away:.1f} s; both workers poll {back:.0f} s after the"
            f" start; `contact`: {again}"
        )

    def _a_worker_hangs(self) -> None:
        self._stack.signal("STOP", self._workers[1])
        noticed = self._stack.until("unhealthy", self._workers[1])
        if self._stack.health(self._workers[0]) != "healthy":
            raise StackError("the worker that does not hang is not healthy")
        self._stack.signal("CONT", self._workers[1])
        back = self._stack.until("healthy", self._workers[1])
        self._say(f"hang  one worker: unhealthy after {noticed:.0f} s; healthy {back:.0f} s after it goes on")

    def _everything_is_killed(self) -> None:
        signing = ("sign", UID, "--party", "vendor", "--signer", "Ada Roth", "--command-id", "stack-sign")
        everything = (*self._workers, self._temporal, self._postgres)
        command = self._stack.begin(*signing)
        time.sleep(1)
        self._stack.signal("KILL", *everything)
        first = command()
        self._stack.start(self._postgres)
        self._stack.until("healthy", self._postgres)
        self._stack.start(self._temporal, *self._workers)
        back = self._stack.until("healthy", *everything)
        again = self._again(*signing)
        self._say(
            f"kill  workers, Temporal and PostgreSQL at once, with `sign` under way (code {first.code} after"
            f" {first.seconds:.1f} s); all healthy {back:.0f} s after the start; `sign`: {again}"
        )

    def _step(self, *arguments: str, given: str = "") -> None:
        answer = _succeeded(arguments[0], self._stack.onboarding(*arguments, given=given))
        self._say(f"      {arguments[0]}: {answer.seconds:.1f} s")

    def _refused(self, *arguments: str) -> float:
        answer = self._stack.onboarding(*arguments)
        if answer.code != 1 or "Traceback" in answer.errors:
            raise StackError(f"{arguments[0]} ended with {answer.code}:\n{answer.output}{answer.errors}")
        return answer.seconds

    def _again(self, *arguments: str) -> str:
        """Send a command again, under its ID, until it is answered."""
        began = time.monotonic()
        for attempt in range(1, AGAIN + 1):
            if self._stack.onboarding(*arguments).code == 0:
                return f"answered at attempt {attempt}, after {time.monotonic() - began:.1f} s"
        raise StackError(f"{arguments[0]} is not answered any more")


def judge(stack: Stack, say: Say) -> None:
    """Hold workflow, database, mails and metrics to what was done.

    Raises:
        StackError: something is lost, double, or not watched.
    """
    status = _read(stack, "status")
    if (status["stage"], status["outcome"], status["access"]["granted"]) != ("active", "active", True):
        raise StackError(f"the application ended as {status['outcome']}, in stage {status['stage']}")
    # What a command was answered is stored a moment later.
    waited("the end is stored", lambda: len(_read(stack, "audit")) >= status["sequence"])
    audit = _read(stack, "audit")
    if [event["sequence"] for event in audit] != list(range(1, len(audit) + 1)):
        raise StackError("the audit trail has gaps")
    accepted = [event for event in audit if event["verdict"] == "accepted" and event["command_id"]]
    if tuple(event["command"] for event in accepted) != ACCEPTED:
        raise StackError(f"accepted were {[event['command'] for event in accepted]}")
    say(f"audit {len(audit)} events without a gap; {len(accepted)} commands, each accepted once, in order")
    _judge_mails(stack, say)
    # It looks for workers every ten seconds, and at each every fifteen.
    waited(
        "Prometheus sees them all", lambda: _scraped(stack) == {"worker": 2, "temporal": 1, "prometheus": 1}
    )
    stack.get("TEMPORAL_UI_PORT", "/")
    for container in stack.containers("worker"):
        host = inspected(container)["HostConfig"]
        if not host["ReadonlyRootfs"] or host["CapDrop"] != ["ALL"] or not host["Memory"]:
            raise StackError("a worker is not confined")
    say("watch Prometheus scrapes Temporal and both workers; the Web UI answers; workers are confined")
    for command in ("doctor", "replay-check"):
        _succeeded(command, stack.onboarding(command))
    say("ops   doctor found every part well (and, while Temporal was gone, did not); replay-check passed")


def _scraped(stack: Stack) -> Counter[str]:
    targets = json.loads(stack.get("PROMETHEUS_PORT", "/api/v1/targets"))["data"]["activeTargets"]
    return Counter(target["labels"]["job"] for target in targets if target["health"] == "up")


def _judge_mails(stack: Stack, say: Say) -> None:
    """Each mail of the ledger is at the mail catcher: once, or more often under one Message-ID."""

    # They are in the ledger with their events, and sent by and by.
    waited("every mail is sent", lambda: {mail["state"] for mail in _read(stack, "mails")} == {"sent"})
    ledger = [mail["message_id"].strip("<>") for mail in _read(stack, "mails")]
    listed = json.loads(stack.get("MAILPIT_PORT", "/api/v1/messages?limit=1000"))["messages"]
    caught = Counter(str(message["MessageID"]) for message in listed)
    if len(ledger) != len(set(ledger)) or set(caught) != set(ledger):
        raise StackError(f"ledger and mail catcher differ: {set(caught) ^ set(ledger)}")
    doubles = sum(caught.values()) - len(caught)
    say(f"mails {len(ledger)} in the ledger, all sent and caught; {doubles} twice, under one Message-ID")


def _read(stack: Stack, what: str) -> Any:
    return json.loads(_succeeded(what, stack.onboarding(what, UID, "--json")).output)


def _succeeded(name: str, answer: Answer) -> Answer:
    if answer.code != 0:
        raise StackError(f"{name} ended with {answer.code}:\n{answer.output}{answer.errors}")
    return answer
