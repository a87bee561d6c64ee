"""What tells a repeated command from another one under the same ID."""

from hashlib import sha256
from typing import Any, Final

import pytest

from domain import intake
from tests import payloads
from tests.domain.test_intake import confirm, signal
from tests.payloads import Json


class TestFingerprint:
    """A hash of what a command means."""

    SIGN: Final = payloads.command(
        "sign_contract",
        command_id="c-1",
        party="partner",
        signer_name="Ann",
        sheet_revision=1,
        sheet_hash="ab" * 32,
        signed_at="2026-03-02T09:00:00+08:00",
    )

    def fingerprint(self, **changes: Any) -> str:
        return intake.fingerprint(signal("sign_contract", self.SIGN | changes))

    def test_what_means_the_same(self) -> None:
        plain = self.fingerprint()
        assert plain == self.fingerprint(occurred_at="2026-03-02T01:00:00Z")
        assert plain == self.fingerprint(document_ref=None, unknown=7, kind="sign_contract")
        assert plain == self.fingerprint(signed_at="2026-03-02T01:00:00Z")
        assert plain == self.fingerprint(signer_name=" Ann ")
        assert plain == self.fingerprint(if_sequence=7)

    @pytest.mark.parametrize(
        "change",
        [
            {"command_id": "c-2"},
            {"document_ref": "D"},
            {"signer_name": "Bea"},
            {"party": "vendor"},
            {"actor": {"role": "partner", "id": "other"}},
        ],
    )
    def test_what_does_not(self, change: Json) -> None:
        assert self.fingerprint() != self.fingerprint(**change)

    def test_commands_of_different_kinds_without_fields(self) -> None:
        said = confirm(command_id="c-1")
        assert intake.fingerprint(signal("confirm_company", said)) != intake.fingerprint(
            signal("decline", said)
        )

    def test_it_is_kept_in_histories_so_it_never_changes(self) -> None:
        said = {"command_id": "c-1", "actor": {"role": "partner", "id": "p"}, "reason": "No."}
        actor, rest = '{"id": "p", "role": "partner"}', '"kind": "decline", "reason": "No."'
        meant = f'{{"actor": {actor}, "command_id": "c-1", {rest}}}'
        assert intake.fingerprint(signal("decline", said)) == sha256(meant.encode()).hexdigest()[:32]


def test_the_way_a_command_came_does_not_make_it_another_one() -> None:
    said = payloads.command("decline", command_id="c-1")
    elsewhere = {**said, "via": {"channel": "api", "client": "crm"}, "if_sequence": 4}

    assert intake.fingerprint(intake.parse_command("decline", (said,))) == intake.fingerprint(
        intake.parse_command("decline", (elsewhere,))
    )


@pytest.mark.parametrize(
    ("kind", "read"),
    [
        ("withdraw_application", {"form_revision": 3}),
        ("confirm_company", {"company_hash": "ab"}),
        ("reopen_terms", {"sheet_revision": 2}),
        ("confirm_company", {"if_sequence": 7}),
    ],
)
def test_what_its_sender_had_read_makes_no_other_command_of_it(kind: str, read: Json) -> None:
    reason = {"reason": "Wrong."} if kind == "reopen_terms" else {}
    said = payloads.command(kind, command_id="c-1", **reason)
    plain, named = (signal(kind, said | more) for more in ({}, read))
    assert intake.fingerprint(plain) == intake.fingerprint(named)
