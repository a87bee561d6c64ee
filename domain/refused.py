"""Who is told of a command that was refused, where nobody is behind its sender's role who would see to it."""

from domain.contract import Command, ErrorType
from domain.editions import of_edition
from domain.facts import compose
from domain.lifecycle import STEPS
from domain.notices import AnyNotice
from domain.refusal import RefusedError
from domain.state import Application


def told_of_refusal(
    application: Application, command: Command | None, refusal: RefusedError
) -> tuple[AnyNotice, ...]:
    """The notices that leave when it is refused, which changes nothing else.

    None where the command is to be sent again (``unavailable``), nor of a message that did not become one.
    """
    rows = (row for row in STEPS if row.command is type(command) and row.holds(application.edition))
    row = next(rows, None)
    if command is None or row is None or refusal.error is ErrorType.UNAVAILABLE:
        return ()
    told = of_edition(row.tells_refusal.get(command.actor.role, ()), application.edition)
    about = row.refused(application, command, refusal)
    return tuple(compose(notice, about) for notice in told)
