"""What a run may read of the messages that come to it, where encryption is required."""

from typing import Any

import pytest
from temporalio import workflow
from temporalio.api.common.v1 import Payload
from temporalio.common import RawValue

from domain.refusal import RefusedError
from workflows.encryption import CAME_CLEAR, ENCODING, KEY_ID, REFUSAL, KeyMissingError, Reader

ENCRYPTED = RawValue(Payload(metadata={"encoding": ENCODING, KEY_ID: b"k1"}, data=b"x"))
CLEAR = RawValue(Payload(metadata={"encoding": b"json/plain", CAME_CLEAR: b""}, data=b"{}"))


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The patches a run asked for, each of which it is told to have."""
    names: list[str] = []

    def patched(name: str) -> bool:
        names.append(name)
        return True

    monkeypatch.setattr(workflow, "patched", patched)
    monkeypatch.setattr(workflow.unsafe, "is_replaying", lambda: False)
    return names


@pytest.mark.parametrize("argument", [ENCRYPTED, CLEAR])
def test_what_may_not_be_read_is_refused_on_record(argument: RawValue, asked: list[str]) -> None:
    reader, unreadable = Reader(), RawValue(Payload(metadata={"encoding": b"binary/morse"}))
    assert reader.read(({"kind": "decline"}, unreadable)) == ({"kind": "decline"}, unreadable)
    for _ in range(2):
        with pytest.raises(RefusedError) as refusal:
            reader.read((argument,))
        assert (refusal.value.error, refusal.value.message) == ("invalid", REFUSAL)
    assert [name.rpartition("-")[2] for name in asked] == ["1", "2"]


def test_what_the_run_before_has_handed_on_needs_its_key(asked: list[str]) -> None:
    """It could be read when it was written: a key that is gone is no reason to refuse anything."""
    with pytest.raises(KeyMissingError, match="key 'k1' is not in ONBOARDING_ENCRYPTION_KEYS"):
        Reader().read((ENCRYPTED,), own=True)
    assert asked == []


def test_what_was_clear_before_encryption_was_required_stays_readable(
    asked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Converter:
        def from_payloads(self, payloads: list[Payload]) -> list[Any]:
            assert CAME_CLEAR not in payloads[0].metadata
            return ["read"]

    monkeypatch.setattr(workflow, "payload_converter", Converter)
    assert Reader().read((CLEAR,), own=True) == ("read",)
    assert CAME_CLEAR in CLEAR.payload.metadata, "what came is left as it came"
