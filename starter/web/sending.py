"""How a command of a caller is sent, by the actor his token makes of him, and what he is answered."""

import asyncio
import re
from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError
from temporalio.service import RPCError

from domain.contract import Command, ErrorType, Role
from domain.coverage import AddAssociatedUid, CoverageAnswer, RemoveAssociatedUid
from domain.intake import field_problems, fingerprint
from domain.status import Status
from domain.steps import Step
from domain.values import CommandId
from starter.client.errors import OnboardingError
from starter.web.callers import Reader, acting, actor, states, via
from starter.web.door import FrontDoor
from starter.web.problems import ApiError, DoorError

KEY: Final = "Idempotency-Key"
READ_WITHIN: Final = timedelta(seconds=2)
"""How long the status after a command may take; without it the command's own answer is given."""
_ID: Final[TypeAdapter[str]] = TypeAdapter(CommandId)
_CONDITION: Final = re.compile(r'"([0-9]{1,9})"')


async def send(
    door: FrontDoor, reader: Reader, uid: str, command: Command, *, if_match: bool
) -> Status | CoverageAnswer:
    """Send a command and give the status it led to, as the caller reads it; ``answered`` says what became of
    the command itself.

    Raises:
        ApiError: it was refused, or not answered.
    """
    async with door.turn(uid):
        try:
            if isinstance(command, AddAssociatedUid | RemoveAssociatedUid):
                return await door.service.change_coverage(command)
            # Temporal answers a call it knows as it did before, without showing it to the workflow, which is
            # to judge the same command ID with another payload.
            update_id = f"{command.command_id}~{fingerprint(command)[:12]}"
            answer = await door.service.send(uid, command, update_id=update_id)
        except OnboardingError as error:
            raise await _refused(door, reader, uid, error, if_match=if_match) from None
        whole = await _status(door, uid)
        if whole is None or whole.application_id != answer.application_id:
            return reader.status(answer)
        return reader.status(whole).model_copy(update={"answered": answer.answered})


def made(
    reader: Reader, uid: str, step: Step, given: Mapping[str, Any], command_id: str, if_sequence: int | None
) -> Command:
    """The command to the application of this UID with these fields, by the actor the token makes of the
    caller, or by the one for whom he acts, if he is a service.

    Raises:
        ApiError: ``invalid``; ``forbidden``, he may not act for that role.
    """
    caller = reader.caller
    envelope = {"command_id": command_id, "via": via(caller), "if_sequence": if_sequence}
    stated = given.get("actor")
    if caller.is_service:
        if stated is None:
            raise _actor("must say for whom the service acts: role, id, and the name if there is one")
        command = _valid(step, {**given, **envelope})
        mine = states(caller, uid)
        if command.actor.role not in mine:
            named = ", ".join(sorted(mine)) or "nobody"
            raise ApiError(
                ErrorType.FORBIDDEN,
                f"This service does not act for '{command.actor.role}', but for: {named}. The claim"
                " onboarding_acts_for of its token names the roles; who has the UID acts for none of the"
                " vendor's.",
            )
        return command
    if stated is not None:
        raise _actor("must be left out: the token says who acts")
    command = _valid(step, {**given, **envelope, "actor": actor(caller, Role(reader.roles[0]))})
    return command.model_copy(update={"actor": actor(caller, acting(reader, step, command))})


def command_id_of(idempotency_key: str) -> str:
    """The command's ID: the key, without the quotation marks some put around it.

    Raises:
        ApiError: ``bad_request``, it is empty; ``invalid``, it can be no ID.
    """
    key = idempotency_key.strip()
    if len(key) > 1 and key[0] == key[-1] == '"':
        key = key[1:-1]
    if not key.strip(' "'):
        raise ApiError(DoorError.BAD_REQUEST, f"{KEY} is empty. Give the command a unique ID.")
    try:
        return _ID.validate_python(key)
    except ValidationError as error:
        problems = [(KEY, message) for _, message in field_problems(error.errors())]
        raise ApiError(ErrorType.INVALID, f"Correct {KEY}.", errors=problems) from None


def sequence_of(if_match: str | None) -> int | None:
    """The sequence the application has to be at, by ``If-Match``.

    Raises:
        ApiError: ``bad_request``, it names none.
    """
    if if_match is None or if_match.strip() == "*":
        return None
    found = _CONDITION.fullmatch(if_match.strip())
    if found is None:
        raise ApiError(
            DoorError.BAD_REQUEST, 'If-Match takes the sequence the status shows, in quotation marks: "12".'
        )
    return int(found[1])


def _valid(step: Step, fields: Mapping[str, Any]) -> Command:
    try:
        return step.command.model_validate(fields, extra="forbid")
    except ValidationError as error:
        raise ApiError.invalid(error) from None


def _actor(message: str) -> ApiError:
    return ApiError(
        ErrorType.INVALID, "Nothing was done: correct what errors names.", errors=[("actor", message)]
    )


async def _refused(
    door: FrontDoor, reader: Reader, uid: str, error: OnboardingError, *, if_match: bool
) -> ApiError:
    """The refusal, with what is possible now where the workflow has judged it."""
    if error.answered is None:
        return ApiError.refused(error, if_match=if_match)
    status = await _status(door, uid)
    allowed = None if status is None else reader.status(status).allowed_commands
    return ApiError.refused(error, if_match=if_match, stage=error.answered.stage, allowed_commands=allowed)


async def _status(door: FrontDoor, uid: str) -> Status | None:
    """The whole status, unless it takes long."""
    with suppress(TimeoutError, OnboardingError, RPCError):
        async with asyncio.timeout(READ_WITHIN.total_seconds()):
            return await door.service.status(uid)
    return None
