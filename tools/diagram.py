"""The lifecycle as a picture (Mermaid), drawn from the tables of `lifecycle.py` and from nothing else.

Drawn is what leads from stage to stage; what stays in its stage (reminders, escalations, a record of a
contact) is left out. Pure: text in, text out.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from domain.clocks import ClockKind
from domain.contract import Role, Stage
from domain.lifecycle import MOMENTS, STAGES, STEPS
from domain.state import OUTCOMES
from domain.steps import OPEN

ACCESS_GRANTED: Final = (Stage.ACTIVATING, Stage.ACTIVE)
"""The way on of an attempt to open access that is granted (`lifecycle.ATTEMPTS`)."""
BRANCHES: Final = {"sign_contract": "both parties"}
"""When a step that may stay leads on, in words."""

_MANY: Final = 4
"""From so many stages on, a command or a clock gets one arrow from a list of stages, not one from each."""
_COLOURS: Final = {
    "partner": "fill:#dbeafe,stroke:#2563eb,color:#111827",
    "bd": "fill:#fef3c7,stroke:#d97706,color:#111827",
    "both": "fill:#ede9fe,stroke:#7c3aed,color:#111827",
    "platform": "fill:#e5e7eb,stroke:#6b7280,color:#111827",
    "none": "fill:#f9fafb,stroke:#111827,color:#111827",
}


def who(roles: Sequence[Role]) -> str:
    """Who may send a command, in words; a BD lead may all that BD may, so only BD is named then."""
    named = [role for role in roles if role is not Role.BD_LEAD or Role.BD not in roles]
    return ", ".join(role.value for role in named)


def places(stages: Sequence[Stage]) -> str:
    """Where something is possible, in words: a list of stages, or from which to which."""
    if len(stages) >= _MANY and tuple(stages) == OPEN[OPEN.index(stages[0]) : OPEN.index(stages[-1]) + 1]:
        return f"any from {stages[0]} to {stages[-1]}"
    return ", ".join(stages)


def mermaid() -> str:
    """The picture as the text of a Mermaid flow chart."""
    return "\n".join(["flowchart TD", *(f"    {line}" for line in (*_stages(), *_arrows()))])


def fenced() -> str:
    """The picture as Markdown shows it."""
    return f"```mermaid\n{mermaid()}\n```"


def _stages() -> Iterator[str]:
    yield 'join(("JOIN NOW"))'
    for stage, row in STAGES.items():
        before, after = ("([", "])") if stage in OUTCOMES else ("[", "]")
        yield f'{stage}{before}"<b>{stage}</b><br/>{row.status_text}"{after}:::{row.waiting_on}'
    for waiting_on, style in _COLOURS.items():
        yield f"classDef {waiting_on} {style}"


def _arrows() -> Iterator[str]:
    yield f"join --> {OPEN[0]}"
    for step in STEPS:
        if step.to:
            yield from _arrow(step.name, step.where, "-->", f"{step.name}<br/>({who(step.by)})", step.to)
        elif step.branch:
            label = f"{step.name}<br/>({BRANCHES[step.name]})"
            yield from _arrow(step.name, step.where, "-->", label, step.branch.to)
    for clock, to in dict.fromkeys((moment.clock, moment.to) for moment in MOMENTS if moment.to):
        where = [s for m in MOMENTS if (m.clock, m.to) == (clock, to) for s in m.where]
        yield from _arrow(clock, _in_order(where), "-.->", _said(clock), to)
    opened, active = ACCESS_GRANTED
    yield from _arrow(ClockKind.ACCESS_CHECK, (opened,), "-.->", _said(ClockKind.ACCESS_CHECK), active)


def _arrow(name: str, where: Sequence[Stage], line: str, label: str, to: Stage | None) -> Iterator[str]:
    if len(where) < _MANY:
        yield from (f'{stage} {line}|"{label}"| {to}' for stage in where)
    else:
        yield f'from_{name}>"{places(where).replace(", ", ",<br/>")}"] {line}|"{label}"| {to}'


def _said(clock: ClockKind) -> str:
    return {
        ClockKind.EXPIRY: "nothing heard<br/>for too long",
        ClockKind.START_DATE: "contract start date",
        ClockKind.ACCESS_CHECK: "access opened",
    }.get(clock, clock.value)


def _in_order(stages: Iterable[Stage]) -> tuple[Stage, ...]:
    return tuple(sorted(stages, key=OPEN.index))
