"""What changes applications: JOIN NOW, and one route for each command, made from the tables of steps."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Body, Header
from fastapi.openapi.models import Example
from pydantic import WithJsonSchema
from starlette.responses import Response

from domain import coverage
from domain.contract import ErrorType
from domain.coverage import CoverageAnswer
from domain.lifecycle import newest_rows
from domain.status import Status
from domain.steps import Step
from domain.values import Contract
from starter.web.bodies import CommandBody, body_of, example_of, strictly
from starter.web.callers import SEES_ALL, Caller, CallerRole, Reader, may_join
from starter.web.door import API, CallerDependency, FrontDoor, UidInPath, authenticated_route, not_there
from starter.web.joining import JoinBody, assigned
from starter.web.problems import ApiError
from starter.web.sending import KEY, command_id_of, made, send, sequence_of

PRIVATE: Final = {"Cache-Control": "no-store"}

IdempotencyKey = Annotated[
    str,
    Header(
        alias=KEY,
        description="The command's ID, of your choice and unique. The same again is never carried out twice,"
        " and gets the same answer.",
    ),
    # As `sending` judges it.
    WithJsonSchema(
        {
            "type": "string",
            "pattern": '[^ "]',
            "maxLength": 128,
            "examples": ["8e03978e-40d5-43dd-bc93-6894a57f9324"],
        }
    ),
]
IfMatch = Annotated[
    str | None,
    Header(
        alias="If-Match",
        description="The status's `sequence` in quotation marks: only if nothing has happened since.",
        max_length=100,
    ),
    WithJsonSchema({"type": "string", "pattern": '^("[0-9]{1,9}"|[*])$', "examples": ['"12"']}),
]


def writes(door: FrontDoor) -> APIRouter:
    """The routes by which applications begin and go on."""
    router = APIRouter(prefix=API, route_class=authenticated_route(door))

    @router.post(
        "/applications",
        response_model=Status,
        status_code=201,
        operation_id="join",
        tags=["Applications"],
        responses={200: {"model": Status, "description": "It runs already: that one is entered."}},
    )
    async def join(
        caller: CallerDependency,
        body: Annotated[JoinBody, strictly(JoinBody), Body(openapi_examples=_example(JoinBody))],
    ) -> Response:
        """JOIN NOW: start an application, or enter the one that runs."""
        return await _join(door, caller, body)

    for step in newest_rows():
        _add(router, door, step, body_of(step.command), Status)
    for step in coverage.STEPS:
        without = ("company_master_uid",)
        _add(router, door, step, body_of(step.command, without=without), CoverageAnswer)
    return router


def _add(
    router: APIRouter, door: FrontDoor, step: Step, body_model: type[CommandBody], answer: type[Contract]
) -> None:
    optional = not any(field.is_required() for field in body_model.model_fields.values())
    in_address = {"company_master_uid"} & set(step.command.model_fields)

    async def command(
        uid: UidInPath,
        caller: CallerDependency,
        idempotency_key: IdempotencyKey,
        body: Any,
        if_match: IfMatch = None,
    ) -> Response:
        command_id, sequence = command_id_of(idempotency_key), sequence_of(if_match)
        reader = await door.reader(caller, uid)
        given = (body or body_model()).model_dump(exclude_unset=True) | dict.fromkeys(in_address, uid)
        said = made(reader, uid, step, given, command_id, sequence)
        status = await send(door, reader, uid, said, if_match=sequence is not None)
        return Response(status.model_dump_json(), media_type="application/json", headers=PRIVATE)

    kind: Any = body_model | None if optional else body_model
    command.__annotations__["body"] = Annotated[
        kind, strictly(body_model), Body(openapi_examples=_example(body_model))
    ]
    if optional:
        command.__defaults__ = (None, None)
    router.add_api_route(
        f"/applications/{{uid}}/commands/{step.name}",
        command,
        methods=["POST"],
        operation_id=step.name,
        summary=step.name.replace("_", " ").capitalize(),
        description=step.description,
        response_model=answer,
        tags=["Commands"],
    )


def _example(model: type[Contract]) -> dict[str, Example]:
    return {"example": Example(value=example_of(model))}


async def _join(door: FrontDoor, caller: Caller, body: JoinBody) -> Response:
    uid = body.company_master_uid
    roles = may_join(caller, uid)
    if not roles and CallerRole.PARTNER in caller.roles:
        raise not_there(uid)
    if not roles:
        raise ApiError(ErrorType.FORBIDDEN, "Only the company itself, ops and services join for it.")
    named = body.model_fields_set & {"bd", "bd_lead", "policy"}
    if named and SEES_ALL.isdisjoint(roles):
        raise ApiError(
            ErrorType.FORBIDDEN,
            f"Only ops and services may name {', '.join(sorted(named))}. Leave that out: who serves the"
            " company is known here.",
        )
    reader = Reader(caller, roles)
    async with door.turn(uid):
        joined = await door.service.join(await assigned(door, body))
    return Response(
        reader.status(joined.status).model_dump_json(),
        201 if joined.started else 200,
        {"Location": f"{API}/applications/{uid}", **PRIVATE},
        "application/json",
    )
