"""What must be left of the story of `bench.stack.story`, however its parts were killed."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from standardwebhooks import Webhook

from bench.stack.front_door import UID, FrontDoor
from bench.stack.stack import Stack, StackError, inspected, waited
from bench.stack.story import Say, succeeded
from domain.webhooks import webhook_id

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
OURS: Final = ("worker", "web-demo", "idp")
WATCHED: Final = {"worker": 2, "web": 1, "temporal": 1, "prometheus": 1}
_TAKEN: Final = 204


def judge(stack: Stack, door: FrontDoor, secret: str, say: Say) -> None:
    """Hold workflow, database, mails, events and metrics to what was done; ``secret``: of the endpoint.

    Raises:
        StackError: something is lost, double, out of order, or not watched.
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
    _judge_events(stack, door.events("ops", len(audit)), secret, say)
    # It looks for them every ten seconds, and at each every fifteen.
    waited("Prometheus sees them all", lambda: _scraped(stack) == WATCHED)
    stack.get("TEMPORAL_UI_PORT", "/")
    for container in (each for service in OURS for each in stack.containers(service)):
        host = inspected(container)["HostConfig"]
        if not host["ReadonlyRootfs"] or host["CapDrop"] != ["ALL"] or not host["Memory"]:
            raise StackError("a container of ours is not confined")
    say("watch Prometheus scrapes Temporal, front door and both workers; Web UI answers; ours are confined")
    for command in ("doctor", "replay-check"):
        succeeded(command, stack.onboarding(command))
    say("ops   doctor found every part well (and, while Temporal was gone, did not); replay-check passed")


def _judge_events(stack: Stack, streamed: Sequence[Mapping[str, Any]], secret: str, say: Say) -> None:
    """The endpoint has taken each event the stream tells of: in order, signed, and doubles under their ID."""
    expected = [
        webhook_id(event["data"]["application_id"], event["data"]["sequence"], kind)
        for event in streamed
        for kind in event["types"]
    ]
    waited("every event is delivered", lambda: set(expected) <= set(_taken(_received(stack))))
    received = _received(stack)
    taken = _taken(received)
    if list(dict.fromkeys(taken)) != expected:
        raise StackError(f"the endpoint took\n{taken}\nand not\n{expected}")
    for each in received:
        headers = each["headers"]
        at = datetime.fromtimestamp(int(headers["webhook-timestamp"]), UTC)
        signed = Webhook(secret).sign(headers["webhook-id"], at, each["body"])
        if signed not in headers["webhook-signature"].split():
            raise StackError(f"{headers['webhook-id']} is not signed by the endpoint's secret")
    say(
        f"hooks {len(expected)} deliveries of {len(streamed)} events, all taken in their order, as the stream"
        f" tells; {len(received) - len(taken)} refused at first; {len(taken) - len(expected)} taken twice"
    )


def _received(stack: Stack) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stack.said("receiver")]


def _taken(received: Sequence[Mapping[str, Any]]) -> list[str]:
    return [each["headers"]["webhook-id"] for each in received if each["status"] == _TAKEN]


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
    return json.loads(succeeded(what, stack.onboarding(what, UID, "--json")).output)
