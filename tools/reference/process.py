"""The reference of the process: its commands, stages, deadlines and e-mails, from the tables of `domain`."""

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Final

from domain import coverage, periods
from domain.clocks import Clock, ClockKind, ClockRequest, When
from domain.contract import Command, OnboardingInput, Person, Stage
from domain.editions import FIRST, In, of_edition
from domain.inquiry import About
from domain.lifecycle import MOMENTS, NEWEST, STAGES, STEPS
from domain.notice import Audience, Notice
from domain.notices import NOTICES
from domain.policy import Policy
from domain.state import Application
from domain.steps import Moment, Step
from starter.cli.names import TYPED, Typed
from tools.diagram import BRANCHES, places, who
from tools.reference.markdown import REQUIRED, ROOT, code, prose, table

AUDIENCES: Final = {Audience.PARTNER: "partner", Audience.BD: "BD", Audience.BD_LEAD: "BD lead"}
CURRENT: Final = "The revision it names, and the hash, are the current ones."
TEMPLATES: Final = ROOT / "activities/emails/templates"
_SUBJECT: Final = re.compile(r"{% set subject %}(.*?){% endset %}", re.DOTALL)
_SAID: Final = {"company_name": "company"}
"""What stands for a value in a subject, where its own name says too little."""
_WHEN: Final = {When.BEFORE: ", before it is due", When.DUE: "", When.MORNING: ", in the morning after"}
_START: Final = datetime(2026, 3, 2, tzinfo=UTC)


def steps() -> tuple[Step, ...]:
    """The rows new applications have."""
    return tuple(step for step in STEPS if step.holds(NEWEST))


def commands_table() -> str:
    """Who may send what, where, and what it carries."""
    return table(
        ("command", "who", "allowed in", "carries"),
        ([f"[`{s.name}`](#{s.name})", who(s.by), places(s.where), _carried(s)] for s in steps()),
    )


def commands() -> str:
    """Each command: what it says, its fields, its rules, what it leads to and who is told."""
    return "\n\n".join(_command(step) for step in steps())


def coverage_commands() -> str:
    """The commands after access is given, each a run of its own."""
    return "\n\n".join(_command(step, waits=True) for step in coverage.STEPS)


def stages() -> str:
    """What the applicant reads, whose move it is, until when, and what happens then."""
    return table(
        ("stage", "status text", "waits on", "deadline", "when time is up"),
        (
            [f"`{stage}`", row.status_text, row.waiting_on, _deadlines(stage), _when_due(stage)]
            for stage, row in STAGES.items()
        ),
    )


def moments() -> str:
    """What happens by itself."""
    return table(
        ("event", "clock", "in", "leads to", "e-mails", "deadline set anew"),
        (
            [
                f"`{moment.name}`",
                f"`{moment.clock}`" + _WHEN[moment.when],
                places(moment.where),
                _leads(moment),
                _linked(moment.notices) + _with_the_third(moment),
                _deadlines_of(of_edition(moment.restarts, NEWEST)),
            ]
            for moment in _moments()
        ),
    )


def policy() -> str:
    """The periods an application may be started with."""
    return table(
        ("field", "default"),
        ([f"`{name}`", f"`{info.default}`"] for name, info in Policy.model_fields.items()),
    )


def emails() -> str:
    """Each e-mail: who gets it, when, and its subject in both languages."""
    return table(
        ("template", "to", "when", "subject, `en`", "subject, `zh`"),
        (
            [
                f"`{template}`",
                AUDIENCES[notice.audience],
                _when(notice),
                _subject(template, "en"),
                _subject(template, "zh"),
            ]
            for notice in NOTICES
            if (template := _template(notice))
        ),
    )


def _command(step: Step, *, waits: bool = False) -> str:
    own = {name: info for name, info in step.command.model_fields.items() if name not in Command.model_fields}
    fields = table(
        ("field", "", "meaning"),
        ([f"`{name}`", REQUIRED[info.is_required()], info.description or ""] for name, info in own.items()),
    )
    parts = [
        f"### `{step.name}`",
        prose(step.description),
        "\n".join(f"- {line}" for line in _facts(step, waits=waits)),
    ]
    return "\n\n".join([*parts, fields] if own else parts)


def _facts(step: Step, *, waits: bool) -> Iterator[str]:
    typed = TYPED.get(step.name, Typed()).command or step.name.replace("_", "-")
    yield f"By {who(step.by)}, in: {places(step.where)}; on the console `onboarding {typed}`."
    branch = (
        f", or by {BRANCHES[step.name]} to `{step.branch.to}` ({_linked(step.branch.notices) or 'no e-mail'})"
        if step.branch
        else ""
    )
    yield f"Leads to: {f'`{step.to}`' if step.to else 'the same stage'}{branch}."
    if told := _linked(step.notices):
        yield f"E-mails: {told}."
    for role, notices in step.tells_refusal.items():
        yield f"E-mails when it is refused to `{role}`: {_linked(notices)}."
    if step.only:
        yield step.only.meaning
    if step.revision:
        yield f"Must hold: {prose(step.revision.__doc__) or CURRENT}"
    rules = (*of_edition(step.rules, NEWEST), *of_edition(step.timed_rules, NEWEST), *step.account_rules)
    for rule in rules:
        yield f"Must hold: {prose(rule.__doc__)}"
    if step.asks_directory:
        outage = "it waits" if waits else "`unavailable`"
        acpn = ", and ACPN" if About.PARTNER in step.about else ""
        yield f"Asks the account directory{acpn}; {outage} while that does not answer."
    if step.asks and About.COVERAGE in step.about:
        yield "Asks the database who covers the accounts; while that does not answer, it goes on without."
    set_anew = _deadlines_of(of_edition(step.restarts, NEWEST))
    if step.stops or set_anew:
        stops = f"ends `{'`, `'.join(step.stops)}`" if step.stops else ""
        both = ", ".join(filter(None, (stops, set_anew and f"sets {set_anew}")))
        yield f"Deadlines{' while it stays' if step.branch else ''}: {both}."
    if step.since > FIRST:
        yield f"For applications of edition {step.since} and newer."


def _carried(step: Step) -> str:
    own = {name: info for name, info in step.command.model_fields.items() if name not in Command.model_fields}
    return ", ".join(f"`{name}`" + ("" if info.is_required() else "?") for name, info in own.items())


def _moments() -> Iterator[Moment]:
    return (moment for moment in MOMENTS if moment.holds(NEWEST))


def _with_the_third(moment: Moment) -> str:
    return f"; with the third {_linked(moment.unanswered)}" if moment.unanswered else ""


def _leads(moment: Moment) -> str:
    if moment.to:
        return f"`{moment.to}`"
    if (moment.clock, *moment.where) == (ClockKind.ACCESS_CHECK, Stage.ACTIVATING):
        return f"`{Stage.ACTIVE}` once access is open"
    return "the same stage" + (", `overdue`" if moment.overdue else "")


def _deadlines(stage: Stage) -> str:
    return _deadlines_of(of_edition(STAGES[stage].clocks, NEWEST))


def _deadlines_of(clocks: Iterable[periods.SetClock]) -> str:
    return "; ".join(filter(None, map(_deadline, clocks)))


def _deadline(set_clock: periods.SetClock) -> str:
    """A clock and its period, by the default policy; nothing for one that looks at more than the policy."""
    clock = set_clock(_EXAMPLE, _START)
    if clock is None:
        return ""
    if isinstance(clock, Clock):
        pause = f"{clock.due_at - _START}".removesuffix(", 0:00:00")
        return f"`{clock.kind}`: " + ("at once" if clock.due_at == _START else f"after {pause}")
    return f"`{clock.kind}`: {_period(clock)}"


def _period(request: ClockRequest) -> str:
    if request.working_days:
        return f"{request.working_days} working days"
    if request.calendar_days:
        return f"{request.calendar_days} calendar days"
    return "the start of the contract start date, in its zone"


def _when_due(stage: Stage) -> str:
    return "; ".join(
        f"`{moment.name}`" + (f" → `{moment.to}`" if moment.to else "")
        for moment in _moments()
        if stage in moment.where and moment.clock is not ClockKind.CALENDAR_CHECK
    )


def _linked(notices: Sequence[type[Notice] | In[type[Notice]]]) -> str:
    return code(_template(notice) for notice in of_edition(notices, NEWEST))


def _template(notice: type[Notice]) -> str:
    return str(notice.model_fields["template"].default)


def _when(notice: type[Notice]) -> str:
    # Not the docstring it would have from its base.
    return prose(vars(notice).get("__doc__"))


def _subject(template: str, locale: str) -> str:
    source = (TEMPLATES / locale / f"{template}.j2").read_text(encoding="utf-8")
    match = _SUBJECT.search(source)
    if match is None:
        raise ValueError(f"{locale}/{template}.j2 sets no subject")
    return re.sub(r"{{ (.*?) }}", lambda value: f"[{_named(value[1])}]", match[1])


def _named(expression: str) -> str:
    words = expression.partition("|")[0].strip().removeprefix("notice.").split(".")
    return _SAID.get(words[-1], " ".join(words))


_WEI: Final = Person(name="Wei Zhang", email="wei@vendor.example")
_EXAMPLE: Final = Application.joined(
    "run",
    OnboardingInput(
        company_master_uid="71",
        contact_name="Ann",
        contact_email="ann@acme.example",
        bd=_WEI,
        bd_lead=_WEI,
    ),
    Policy(),
).but(contacted_at=_START)
