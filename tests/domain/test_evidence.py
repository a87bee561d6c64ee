"""What proves what: files that are named by hash, and dates that can be."""

from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, Final

import pytest
import rfc8785

from domain.audit import Verdict
from domain.values import instant_text
from tests import payloads
from tests.domain.applications import START, UID, Journey, journey_to, refused, signature
from tests.payloads import Json
from workflows.memory import RunMemory

FILE: Final = {"reference": "dms://42/licence.pdf", "sha256": "ab" * 32, "media_type": "application/pdf"}
GIVEN: Final = {
    "submit_application": "company_confirmed",
    "provide_justification": "justifying",
    "sign_contract": "awaiting_signatures",
}
"""What may name files, and where."""


def with_files(kind: str, journey: Journey, *files: Json) -> Json:
    """The command, naming these files."""
    if kind == "submit_application":
        return {"application": payloads.form(UID, evidence=list(files))}
    said = {"answer": "Twelve."} if kind == "provide_justification" else signature(journey, "partner")
    return said | {"evidence": list(files)}


def named(journey: Journey, kind: str) -> list[Json]:
    """The files the status shows."""
    status = journey.status
    holder: Any = {
        "submit_application": status.application,
        "provide_justification": status.justification,
        "sign_contract": status.signing.partner,
    }[kind]
    return [file.model_dump() for file in holder.evidence]


class TestFiles:
    """Kept elsewhere; named by reference, hash and media type."""

    @pytest.mark.parametrize("kind", GIVEN)
    def test_they_are_shown_and_not_taken_twice(self, kind: str) -> None:
        journey = journey_to(GIVEN[kind])
        said = with_files(kind, journey, FILE, FILE | {"sha256": "CD" * 32, "media_type": "Image/PNG"})
        journey.say(kind, **said)
        assert named(journey, kind) == [FILE, FILE | {"sha256": "cd" * 32, "media_type": "image/png"}]
        assert journey.judge(kind, **said).verdict is Verdict.NO_OP

    @pytest.mark.parametrize("kind", GIVEN)
    def test_none_need_be(self, kind: str) -> None:
        journey = journey_to(GIVEN[kind])
        journey.say(kind, **with_files(kind, journey))
        assert named(journey, kind) == []

    @pytest.mark.parametrize("kind", GIVEN)
    @pytest.mark.parametrize(
        ("wrong", "where"),
        [
            ([FILE | {"sha256": "ab" * 31}], "sha256"),
            ([FILE | {"sha256": "xy" * 32}], "sha256"),
            ([FILE | {"media_type": "pdf"}], "media_type"),
            ([FILE | {"media_type": "text/html; charset=utf-8"}], "media_type"),
            ([FILE | {"reference": ""}], "reference"),
            ([FILE | {"reference": "x" * 201}], "reference"),
            ([FILE | {"reference": "a\nb"}], "reference"),
            ([FILE] * 21, "evidence"),
        ],
    )
    def test_what_is_none_is_refused(self, kind: str, wrong: list[Json], where: str) -> None:
        journey = journey_to(GIVEN[kind])
        error, message = refused(journey, kind, **with_files(kind, journey, *wrong))
        assert error == "invalid"
        assert where in message

    def test_a_file_does_for_the_reference_of_a_paper(self) -> None:
        journey = journey_to("awaiting_signatures")
        journey.say("choose_signing_path", path="offline_paper", order="any")
        journey.say("sign_contract", **with_files("sign_contract", journey, FILE))
        assert journey.status.signing.partner

    @pytest.mark.parametrize(
        ("kind", "hashed"),
        [("submit_application", "application"), ("issue_decision_sheet", "sheet")],
    )
    def test_the_trail_has_the_hash_of_what_is_stored_beside_it(self, kind: str, hashed: str) -> None:
        journey = journey_to(GIVEN.get(kind, "qualified"))
        documents = {"application": payloads.form(UID, evidence=[FILE]), "sheet": payloads.sheet(start=START)}
        kept = RunMemory.of(journey.application)
        carried: Json = {hashed: documents[hashed]}
        said = journey.command(kind, **carried)
        decision = journey.say(kind, **carried)
        event = kept.event(journey.now, kind, Verdict.ACCEPTED, decision.application, command=said)

        shown = getattr(journey.status, hashed).model_dump(mode="json")
        content = shown if hashed == "application" else shown["content"]
        assert event.details == {f"{hashed}_hash": sha256(rfc8785.dumps(content)).hexdigest()}

    def test_the_trail_has_the_files_of_a_signature(self) -> None:
        journey = journey_to("awaiting_signatures")
        said = journey.command("sign_contract", **with_files("sign_contract", journey, FILE))
        kept = RunMemory.of(journey.application)
        event = kept.event(journey.now, said.kind, Verdict.ACCEPTED, journey.application, command=said)
        assert event.details["evidence"] == [FILE]


class TestDatesOfSignatures:
    """Not of the future, and not older than the sheet."""

    def issued_long_ago(self, path: str) -> tuple[Journey, datetime]:
        """The terms wait for signatures by this path; when their sheet was issued."""
        journey = journey_to("awaiting_signatures")
        journey.say("choose_signing_path", path=path, order="any")
        assert journey.application.sheet
        assert journey.application.sheet.issued_at == journey.now
        issued, journey.now = journey.now, journey.now + timedelta(days=30)
        return journey, issued

    @pytest.mark.parametrize("role", ["partner", "esign"])
    @pytest.mark.parametrize("path", ["online_esign", "framework_addendum", "offline_paper"])
    def test_impossible_ones_are_refused(self, path: str, role: str) -> None:
        journey, issued = self.issued_long_ago(path)
        why = {
            "2099-01-01T00:00:00Z": "lies in the future",
            "1990-01-01T00:00:00Z": "lies before this decision sheet was issued",
            "0002-01-01T00:00:00Z": "lies before this decision sheet was issued",
        }
        for signed_at, told in why.items():
            said = signature(journey, "partner") | {"signed_at": signed_at, "document_ref": "D-1"}
            for _ in range(2):
                error, message = refused(journey, "sign_contract", role=role, **said)
                assert error == "invalid"
                assert told in message
        assert message == (
            f"signed_at: 0002-01-01T00:00:00Z lies before this decision sheet was issued, at "
            f"{instant_text(issued)}: a signature is given on these terms after that, or up to 7 days before "
            "that on paper (path offline_paper)."
        )

    @pytest.mark.parametrize(
        ("path", "earlier", "accepted"),
        [
            ("online_esign", timedelta(), True),
            ("online_esign", timedelta(minutes=5), True),
            ("online_esign", timedelta(minutes=5, seconds=1), False),
            ("framework_addendum", timedelta(days=1), False),
            ("offline_paper", timedelta(days=7), True),
            ("offline_paper", timedelta(days=7, seconds=1), False),
        ],
    )
    def test_a_little_older_than_the_sheet(self, path: str, earlier: timedelta, accepted: bool) -> None:
        journey, issued = self.issued_long_ago(path)
        signed_at = instant_text(issued - earlier)
        said = signature(journey, "partner") | {"signed_at": signed_at, "document_ref": "D-1"}
        if accepted:
            journey.say("sign_contract", **said)
            assert journey.status.signing.partner
            assert journey.status.signing.partner.recorded_at == journey.now
        else:
            assert refused(journey, "sign_contract", **said)[0] == "invalid"

    def test_a_sheet_of_a_release_that_did_not_keep_its_time_has_none_to_compare_with(self) -> None:
        journey, _ = self.issued_long_ago("online_esign")
        sheet = journey.application.sheet
        assert sheet
        unknown = sheet.model_copy(update={"issued_at": None})
        journey.application = journey.application.but(sheet=unknown)
        journey.say("sign_contract", **signature(journey, "partner") | {"signed_at": "1990-01-01T00:00:00Z"})
        assert journey.status.signing.partner
