"""What bodies may hold, made from the models of the contract: their own fields, and no others."""

from functools import cache
from typing import Any, Final

from pydantic import (
    BaseModel,
    Field,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    create_model,
)
from pydantic.fields import FieldInfo
from pydantic_core import InitErrorDetails, to_jsonable_python

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


_AS_WRITTEN: Final = frozenset({"int_type", "bool_type"})
"""What the models would take for a number, or for true, though it is another kind of JSON value."""


def strictly(model: type[BaseModel]) -> WrapValidator:
    """Fields a model does not know are refused, in its parts as well, and texts for numbers; no body at all
    is none."""

    def valid(value: Any, handler: ValidatorFunctionWrapHandler) -> Any:
        if value is None:
            return handler(value)
        found = model.model_validate(value, extra="forbid")
        try:
            model.model_validate(value, strict=True)
        except ValidationError as error:
            wrong = [
                InitErrorDetails(type=each["type"], loc=each["loc"], input=each["input"])
                for each in error.errors(include_url=False)
                if each["type"] in _AS_WRITTEN
            ]
            if wrong:
                raise ValidationError.from_exception_data(model.__name__, wrong) from None
        return found

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
