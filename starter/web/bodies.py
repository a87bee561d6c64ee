"""What bodies may hold, made from the models of the contract: their own fields, and no others."""

from functools import cache
from typing import Any

from pydantic import BaseModel, Field, ValidatorFunctionWrapHandler, WrapValidator, create_model
from pydantic.fields import FieldInfo
from pydantic_core import to_jsonable_python

from domain.contract import Actor, Command
from domain.values import Contract, Instant
from starter.web.examples import EXAMPLES


class CommandBody(Contract):
    """What the body of every command may hold besides the command's own fields."""

    actor: Actor | None = Field(
        default=None, description="For whom a service acts; of anybody else, his token says who he is."
    )
    occurred_at: Instant | None = Field(default=None, description="The caller's own time; kept, not trusted.")


@cache
def body_of(command: type[Command], *, without: tuple[str, ...] = ()) -> type[CommandBody]:
    """The model of a command's body; ``without``: fields that are in the address."""
    own = {
        name: (field.rebuild_annotation(), field)
        for name, field in command.model_fields.items()
        if name not in {*Command.model_fields, *without}
    }
    fields: Any = own
    return create_model(f"{command.__name__}Body", __base__=CommandBody, __doc__=command.__doc__, **fields)


def strictly(model: type[BaseModel]) -> WrapValidator:
    """Fields a model does not know are refused, in its parts as well; no body at all is none."""

    def valid(value: Any, handler: ValidatorFunctionWrapHandler) -> Any:
        return handler(value) if value is None else model.model_validate(value, extra="forbid")

    return WrapValidator(valid)


def example_of(model: type[BaseModel]) -> dict[str, Any]:
    """A body with every field it needs: the examples its fields have, else those of `EXAMPLES`."""
    return {
        name: _example(name, field)
        for name, field in model.model_fields.items()
        if field.is_required() or field.examples
    }


def _example(name: str, field: FieldInfo) -> Any:
    return to_jsonable_python(field.examples[0]) if field.examples else EXAMPLES[name]
