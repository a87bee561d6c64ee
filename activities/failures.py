"""What Temporal is told of an activity that failed: short, and without what people wrote.

Temporal keeps and shows failures, and the log has them. A refused statement is long, and databases quote
values in what they say of it; so do libraries that check what a service has answered.
"""

from typing import Any, Final

from pydantic import ValidationError
from sqlalchemy.exc import DBAPIError, SQLAlchemyError, StatementError
from temporalio.exceptions import ApplicationError
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

from domain.values import first_line

_MOST: Final = 300
"""Characters. The server cuts a failure of more than some kilobytes away, with all it said."""
_QUOTING: Final = ("22", "P0")
"""Classes of SQLSTATE whose messages hold values: data exceptions, and what triggers raise (PostgreSQL,
appendix A)."""


class BriefFailures(Interceptor):
    """Give it to the worker."""

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        """Tell the errors of database and data in our own words."""
        return _BriefFailures(super().intercept_activity(next))


class _BriefFailures(ActivityInboundInterceptor):
    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        try:
            return await super().execute_activity(input)
        except (SQLAlchemyError, ValidationError) as error:
            raise ApplicationError(in_brief(error), type=type(error).__name__) from None


def in_brief(error: SQLAlchemyError | ValidationError) -> str:
    """What went wrong, without statement, parameters, values or input."""
    match error:
        case ValidationError():
            wrong = [
                f"{'.'.join(map(str, each['loc']))}: {each['type']}"
                for each in error.errors(include_url=False, include_context=False, include_input=False)
            ]
            said = f"{error.title} does not hold: {', '.join(wrong)}"
        case DBAPIError():
            said = _of_the_driver(error)
        case StatementError():
            said = f"the statement could not be made ({type(error.orig).__name__})"
        case _:
            said = first_line(error)
    return said if len(said) <= _MOST else f"{said[: _MOST - 1]}…"


def _of_the_driver(error: DBAPIError) -> str:
    driver: Any = error.orig
    state = getattr(driver, "sqlstate", None)
    if state is None:
        # SQLite quotes no values, and PostgreSQL has a state once it is reached.
        return f"the database: {first_line(driver)}"
    name = f"{type(driver).__name__}, SQLSTATE {state}"
    if state.startswith(_QUOTING):
        return f"the database refused it ({name})"
    # Not its detail, which holds the row.
    return f"the database: {first_line(driver.diag.message_primary or name)} ({name})"
