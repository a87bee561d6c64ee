"""Histories from before encryption, replayed after it was switched on and is required."""

import pytest

from tests.long import some_of
from tests.replay.corpus import Recorded, recorded, replay
from workflows.codec import EncryptionCodec


@pytest.mark.parametrize("one", some_of(recorded(), every=8), ids=lambda one: one.name)
async def test_clear_history_replays_where_encryption_is_required(one: Recorded) -> None:
    """What was taken in clear stays taken, what a run handed to the next one stays readable."""
    codec = EncryptionCodec({"k1": bytes(32)}, required=True)

    encrypted = await replay(one.history(), codec=codec)

    assert encrypted.failure is None
    assert encrypted.trail == one.trail()
