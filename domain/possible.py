"""Which commands are possible now, and for whom, as the table of steps says."""

from typing import Final

from domain.contract import Role, Stage
from domain.lifecycle import STAGES, steps_of
from domain.state import Application
from domain.steps import BD_OR_OPS, BY_OPERATORS, Step

_UNDER_CONTRACT: Final = (
    "The contract is in effect, and is neither changed nor ended here. Which accounts have access can still "
    "be changed, by partner and BD: add_associated_uid, remove_associated_uid."
)


def _possible(application: Application) -> tuple[Step, ...]:
    return tuple(step for step in steps_of(application.edition) if step.possible(application))


def allowed_commands(application: Application, role: Role | None = None) -> tuple[str, ...]:
    """The commands possible in the application's stage: those this role may send, without one those of all
    roles."""
    return tuple(
        step.name for step in _possible(application) if role is None or step.is_for(role, application)
    )


def allowed_for(application: Application) -> dict[Role, tuple[str, ...]]:
    """The commands possible now, by role; a role that may send none is left out."""
    steps = _possible(application)
    possible = {role: tuple(step.name for step in steps if step.is_for(role, application)) for role in Role}
    return {role: names for role, names in possible.items() if names}


def in_words(application: Application, role: Role) -> str:
    """What this role may send now, to whom a command of his is refused."""
    names = ", ".join(allowed_commands(application, role))
    told = f"Possible now for '{role}': {names}." if names else f"Nothing is possible now for '{role}'."
    in_effect = application.stage is Stage.ACTIVATING and role in BD_OR_OPS
    return f"{told} {BY_OPERATORS}" if in_effect else told


def has_ended(stage: Stage, whose: str = "The application") -> str:
    """What a command comes to after this outcome, and what is left once access has been given."""
    left = f" {_UNDER_CONTRACT}" if stage is Stage.ACTIVE else ""
    return f"{whose} has ended: {STAGES[stage].status_text}.{left}"
