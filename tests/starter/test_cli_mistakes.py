"""A beginner's mistakes on the console: each is told with its cause and what helps, and without a trace."""

import asyncio
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from google.protobuf.any_pb2 import Any as AnyMessage
from temporalio.api.common.v1 import GrpcStatus
from temporalio.api.errordetails.v1 import NamespaceNotFoundFailure
from temporalio.service import RPCError, RPCStatusCode

from activities.db.engine import Database
from domain.audit import Verdict
from domain.contract import Command, ErrorType, OnboardingInput, Stage
from domain.coverage import AnyCoverageCommand, CoverageAnswer
from domain.status import CommandResult, Status
from runtime.errors import connection_problem
from runtime.startup import prepare_database
from settings import Settings
from starter.client.errors import OnboardingError
from starter.client.joining import Joined
from tests.starter.cli_fakes import UID, Cli, FakeArchive, FakeService, status, stored
from tests.starter.scripted_service import refused
from tests.starter.test_cli_ops import JOIN
from tests.starter.test_cli_steps import FORM

HTTP2 = "tonic::transport::Error(Transport, hyper::Error(Http2, Error { kind: GoAway"


def no_such_namespace() -> RPCError:
    detail = AnyMessage()
    detail.Pack(NamespaceNotFoundFailure(namespace="default"))
    packed = GrpcStatus(code=5, details=[detail]).SerializeToString()
    return RPCError("Namespace default is not found.", RPCStatusCode.NOT_FOUND, packed)


@dataclass
class Broken(FakeService):
    """Every call of it fails."""

    error: Exception | None = None

    async def status(self, uid: str) -> Status:
        assert self.error
        raise self.error

    async def send(self, uid: str, command: Command) -> Status:
        return await self.status(uid)

    async def join(self, joining: OnboardingInput) -> Joined:
        assert self.error
        raise self.error


@pytest.mark.parametrize(
    ("line", "short"),
    [
        (["request_justification", UID, "--question", "Who?"], ["ask", UID, "--question", "Who?"]),
        (["reject-application", UID, "--reason-code", "x", "--explanation", "y"],
         ["reject", UID, "--code", "x", "--reason", "y"]),
        (["modify_terms", UID, "--description", "x", "--sheet_revision", "2"],
         ["modify", UID, "--text", "x", "--revision", "2"]),
        (["choose_signing_path", UID, "--path", "offline-paper", "--order", "any"],
         ["signing-path", UID, "--path", "offline_paper", "--order", "any"]),
    ],
)  # fmt: skip
def test_what_the_contract_calls_it_can_be_typed(line: list[str], short: list[str]) -> None:
    """The status names commands and fields as the contract does, with underscores."""
    sent = []
    for typed in (line, short):
        cli = Cli()
        result = cli.run(*typed, "--command-id", "c-1")
        assert result.exit_code == 0, result.output
        sent.append(cli.sent())
    assert sent[0] == sent[1]


@pytest.mark.parametrize("uid", ["abc", "5123456789 ", "٥١٢٣", "", "5" * 33, "5123\x1b[2J"])
@pytest.mark.parametrize("line", [["status"], ["approve"], ["account", "delete"]])
def test_what_is_no_uid_is_not_looked_for(line: list[str], uid: str) -> None:
    cli = Cli()
    result = cli.run(*line, uid)
    assert result.exit_code == 2
    assert "1 to 32 digits" in " ".join(result.stderr.replace("│", " ").split())
    assert "\x1b[2J" not in result.stderr
    assert cli.running.sent == []


@pytest.mark.parametrize("line", [["contact", UID], ["coverage", "add", UID, "77"]])
@pytest.mark.parametrize("option", ["--command-id", "--actor-id"])
def test_an_empty_id_is_refused_not_replaced(option: str, line: list[str]) -> None:
    """As of a script whose variable is not set: with a new ID each time it would count twice."""
    cli = Cli()
    result = cli.run(*line, option, "")
    assert result.exit_code == 1
    assert result.stderr.startswith("invalid: ")
    assert "Nothing was done" in result.stderr
    assert cli.running.sent == []


def test_a_form_may_begin_with_the_mark_of_editors_on_windows(tmp_path: Path) -> None:
    file = tmp_path / "form.json"
    file.write_bytes(b"\xef\xbb\xbf" + FORM.read_bytes())
    assert Cli().run("submit", UID, "--form", str(file)).exit_code == 0


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"[1]", "application: must be a JSON object"),
        (b'"x"', "application: must be a JSON object"),
        (b"\xff\xfe{\x00", "is not UTF-8"),
        (b"{", "is not JSON"),
        (b'{"contact": {"name": "Mei", "name": "Ada"}}', 'has the key "name" twice in one object'),
    ],
)
def test_a_file_that_is_no_form(tmp_path: Path, content: bytes, said: str) -> None:
    file = tmp_path / "form.json"
    file.write_bytes(content)
    cli = Cli()
    result = cli.run("submit", UID, "--form", str(file))
    assert result.exit_code == 1
    assert said in result.stderr
    assert "Nothing was " in result.stderr
    assert cli.running.sent == []


def test_a_wrong_address_is_told_in_words() -> None:
    result = Cli().run(*JOIN, "--contact-email", "mei@@x")
    assert result.stderr.startswith("invalid: contact_email: must be an e-mail address, such as ")


@pytest.mark.parametrize("line", [["approve", UID], ["status", UID], ["watch", UID], JOIN])
def test_a_namespace_that_does_not_exist(line: list[str]) -> None:
    """The database may know the UID all the same, but of another namespace's application."""
    cli = Cli(Broken(error=no_such_namespace()), FakeArchive(stored(status())))
    result = cli.run(*line)
    assert result.exit_code == 1
    assert result.stderr.startswith("Temporal has no namespace 'default'.\n")
    assert "TEMPORAL_NAMESPACE" in result.stderr
    assert "`onboarding setup`" in result.stderr


def test_a_namespace_that_is_not_set_up() -> None:
    said = "Namespace default has no mapping defined for search attribute OnboardingOverdue"
    result = Cli(Broken(error=refused(RPCStatusCode.INVALID_ARGUMENT, said))).run(*JOIN)
    assert result.exit_code == 1
    assert result.stderr.startswith("Temporal's namespace 'default' is not set up: ")
    assert "`onboarding setup`" in result.stderr


def test_any_other_refusal_of_temporals_is_told_in_its_words() -> None:
    result = Cli(Broken(error=refused(RPCStatusCode.INTERNAL, "shard status unknown"))).run("approve", UID)
    assert (
        result.stderr == "Temporal answered: shard status unknown\n`onboarding doctor` looks at every part.\n"
    )


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (f'Status {{ code: Internal, message: "h2 protocol error: http2 error", {HTTP2} }}', "it hangs up"),
        (
            'Status { message: "operation was canceled", hyper::Error(Canceled, "connection closed") }',
            "it hangs",
        ),
        ('Status { code: Cancelled, message: "Timeout expired" }', "it takes the call, but says nothing"),
        ("ConnectError(Custom { kind: InvalidData, error: InvalidMessage(x) })", "it does not speak TLS"),
        ("ConnectError(Os { code: 111, kind: ConnectionRefused })", "nothing listens there"),
    ],
)
def test_another_server_in_temporals_place(said: str, told: str) -> None:
    """A mail server, a web page: the SDK says it in the words of its Rust libraries."""
    problem = connection_problem(RuntimeError(said))
    assert problem.startswith(told)
    assert "::" not in problem


def test_a_status_that_is_only_stored_says_why() -> None:
    gone = FakeService(refusal=OnboardingError(ErrorType.UNAVAILABLE, "No answer within 30 s"))
    told = Cli(gone, FakeArchive(stored(status()))).run("status", UID).stdout
    assert "note: as stored at Monday, 2 March 2026 09:30 (UTC): No answer within 30 s\n" in told


def unanswered(answered: CommandResult | None = None) -> OnboardingError:
    return OnboardingError(ErrorType.UNAVAILABLE, "No answer.", answered=answered)


@dataclass
class Unanswered(FakeService):
    """Takes commands, and never answers them."""

    error: OnboardingError | None = None

    async def send(self, uid: str, command: Command) -> Status:
        raise self.error or unanswered()

    async def change_coverage(self, command: AnyCoverageCommand) -> CoverageAnswer:
        raise self.error or unanswered()


def test_a_command_without_an_answer_was_sent_and_can_be_asked_for_again() -> None:
    result = Cli(Unanswered()).run("contact", UID, "--command-id", "c 1")
    assert result.exit_code == 1
    assert result.stderr.startswith(
        "unavailable: No answer. record_contact was sent, and may still be carried out.\n"
        "The same line with `--command-id 'c 1'` asks again: "
    )


@pytest.mark.parametrize("change", ["add", "remove"])
def test_a_change_of_coverage_without_an_answer_can_be_asked_for_again(change: str) -> None:
    result = Cli(Unanswered()).run("coverage", change, UID, "77", "--command-id", "c 1")
    assert result.exit_code == 1
    assert result.stderr.startswith(f"unavailable: No answer. {change}_associated_uid was sent, ")
    assert "\nThe same line with `--command-id 'c 1'` asks again: " in result.stderr


def test_a_command_that_nobody_could_judge_was_not_carried_out() -> None:
    at = CommandResult(verdict=Verdict.REFUSED, stage=Stage.DRAFTING, sequence=3)
    result = Cli(Unanswered(error=unanswered(at))).run("contact", UID, "--command-id", "c-1")
    assert "No answer. It was not carried out.\n" in result.stderr
    assert "--command-id c-1" in result.stderr


def test_what_was_not_sent_is_not_asked_for_again() -> None:
    """The form's revision is read first; without a worker that has no answer either."""
    result = Cli(FakeService(refusal=unanswered())).run("approve", UID)
    assert "No answer. Nothing was sent.\n" in result.stderr
    assert "The same line" not in result.stderr


@dataclass
class Hanging(FakeService):
    """Nothing is ever answered; ``ended``: what ends the command meanwhile."""

    ended: Callable[[], None] = lambda: None

    async def _hang(self) -> Status:
        self.ended()
        await asyncio.Event().wait()
        raise AssertionError

    async def send(self, uid: str, command: Command) -> Status:
        return await self._hang()

    async def join(self, joining: OnboardingInput) -> Joined:
        await self._hang()
        raise AssertionError

    async def change_coverage(self, command: AnyCoverageCommand) -> CoverageAnswer:
        await self._hang()
        raise AssertionError

    async def status(self, uid: str) -> Status:
        return await self._hang()


def by(number: signal.Signals) -> Callable[[], None]:
    return lambda: os.kill(os.getpid(), number)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize(
    ("line", "told", "again"),
    [
        (["contact", UID, "--command-id", "c-1"], "record_contact was sent, and may", "--command-id c-1"),
        (["approve", UID], "Nothing was sent.", ""),
        (JOIN, "JOIN NOW was sent; an application of UID 5123456789 may", f"onboarding status {UID}"),
        (
            ["coverage", "remove", UID, "77", "--command-id", "c-1"],
            "remove_associated_uid was sent, ",
            "--command-id c-1",
        ),
    ],
    ids=["sent", "not sent", "join", "coverage"],
)
def test_who_ends_a_command_is_told_how_far_it_was(
    number: signal.Signals, code: int, line: list[str], told: str, again: str
) -> None:
    result = Cli(Hanging(ended=by(number))).run(*line)
    assert result.exit_code == code
    assert result.stderr.startswith(f"Ended. {told}")
    assert again in result.stderr


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_who_ends_a_look_is_told_nothing(number: signal.Signals, code: int) -> None:
    result = Cli(Hanging(ended=by(number))).run("watch", UID)
    assert (result.exit_code, result.output) == (code, "")


@pytest.mark.parametrize(
    ("option", "url", "variable"),
    [
        ("--db", "postgresql://ada:s3cret@127.0.0.1/x", "ONBOARDING_DATABASE_URL"),
        ("--db", "postgresql://127.0.0.1/x?user=ada&password=s3cret", "ONBOARDING_DATABASE_URL"),
        ("--smtp", "smtps://ada:s3cret@127.0.0.1", "ONBOARDING_SMTP_URL"),
    ],
)
def test_a_password_on_the_command_line_is_refused(option: str, url: str, variable: str) -> None:
    result = Cli().run("up", option, url)
    assert result.exit_code == 2
    assert result.stderr.startswith(f"{option}: a password on the command line ")
    assert f"Set {variable} instead" in result.stderr
    assert "s3cret" not in result.output


def test_up_says_which_folder_it_cannot_use(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for folder in (tmp_path / "file", tmp_path / "file" / "x"):
        result = Cli().run("up", "--data", str(folder))
        assert result.exit_code == 1
        assert f"The data folder {folder} can't be made: Not a directory." in result.stderr
        assert "--data DIR" in result.stderr


def test_up_does_not_take_a_folder_it_may_not_write_for_one_in_use(tmp_path: Path) -> None:
    # Who may write everywhere, as root, can't make a file of a folder either.
    (tmp_path / "up.lock").mkdir()
    result = Cli().run("up", "--data", str(tmp_path))
    assert result.exit_code == 1
    assert f"The data folder {tmp_path} can't be written to: " in result.stderr
    assert "runs already" not in result.stderr


def test_up_says_what_it_waits_for_and_how_to_stop(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A start waits for a database for as long as that takes."""

    async def starting(settings: Settings, **_: object) -> None:
        await prepare_database(Database(settings.database))

    monkeypatch.setattr("starter.local.up.run_up", starting)
    monkeypatch.setattr("runtime.startup.pauses", lambda: iter([0, 0]))
    result = Cli().run("up", "--data", str(tmp_path), "--db", "postgresql://ada@127.0.0.1:1/onboarding")
    starting_, *waiting, _ = result.stdout.splitlines()
    assert starting_ == "Starting …"
    assert len(waiting) == 2
    for line in waiting:
        assert line.startswith("Waiting for the database postgresql+psycopg://ada@127.0.0.1:1/onboarding ")
        assert line.endswith("Connection refused. It is tried again until Ctrl-C.")


def test_up_needs_two_ports() -> None:
    result = Cli().run("up", "--port", "7300", "--ui-port", "7300")
    assert result.exit_code == 2
    assert "--port and --ui-port are both 7300" in result.stderr


def test_the_demo_says_which_folder_it_cannot_use(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    result = Cli().run("demo", "--mails", str(tmp_path / "file"))
    assert result.exit_code == 1
    assert "File exists" in " ".join(result.output.split())
    assert "--mails DIR" in result.output
