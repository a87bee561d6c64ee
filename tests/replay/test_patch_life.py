"""One patch from its first release to its removal, each step on the real server and replayed."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Final, Protocol

import pytest
import pytest_asyncio

import worker
from domain.contract import Stage
from tests import payloads
from tests.long import LONG
from tests.replay.changed_onboarding import ACCOUNTS_AT_APPROVAL, Deprecated, Patched, Unpatched
from tests.replay.corpus import HISTORIES, Ask, Recorded, Trail, replay
from tests.rig import Applicant, Service, serve
from tests.service.own_server import own_environment
from workflows import calls
from workflows.delivery import OutstandingDelivery
from workflows.onboarding import ResellerOnboarding

OLD: Final = ResellerOnboarding
REMOVED: Final = Unpatched
ONCE_MORE: Final = Ask(ask=calls.LOOK_UP, about=("accounts",))
ASKED: Final = (Ask(ask="patch", patch=ACCOUNTS_AT_APPROVAL.id), ONCE_MORE)
DEPRECATED: Final = (Ask(ask="deprecate_patch", patch=ACCOUNTS_AT_APPROVAL.id), ONCE_MORE)


class Releases(Protocol):
    """Runs a service whose worker has this workflow."""

    def __call__(self, onboarding: type) -> AbstractAsyncContextManager[Service]: ...


@pytest_asyncio.fixture
async def release(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Releases]:
    """One release after the other, on one server and one database.

    The server is its own: on the shared one a worker with the released workflow may still be at work.
    """

    @asynccontextmanager
    async def running(onboarding: type) -> AsyncIterator[Service]:
        monkeypatch.setattr(worker, "WORKFLOWS", (onboarding, OutstandingDelivery))
        async with serve(env, tmp_path) as service:
            yield service

    async with own_environment() as env:
        yield running


async def replays(applicant: Applicant, onboarding: type) -> bool:
    """Whether this code could have written the applicant's history so far."""
    replayed = await replay(await applicant.history(), (onboarding, OutstandingDelivery))
    return replayed.failure is None


async def trail(applicant: Applicant, onboarding: type) -> Trail:
    """What the run has asked for."""
    return (await replay(await applicant.history(), (onboarding, OutstandingDelivery))).trail


async def went(applicant: Applicant, onboarding: type) -> Trail:
    """The patches the run asked for at the approval, and what it asked the account directory then."""
    asked = await trail(applicant, onboarding)
    published = [number for number, ask in enumerate(asked) if ask.ask == calls.PUBLISH]
    approval = next(number for number in published if asked[number].command == "approve_application")
    before = max(number for number in published if number < approval)
    return tuple(ask for ask in asked[before:approval] if ask.patch or ask == ONCE_MORE)


async def goes_on(applicant: Applicant) -> None:
    """The approved application can still be worked on."""
    status = await applicant.update("issue_decision_sheet", sheet=payloads.sheet())
    assert status.stage is Stage.CONFIRMING_TERMS
    await applicant.settled()


@pytest.mark.parametrize("name", ["active", "open_in_qualified", "continue_as_new"])
async def test_without_a_patch_the_change_breaks_what_is_recorded_and_with_it_nothing(name: str) -> None:
    [path] = HISTORIES.glob(f"0.2.0/{name}.json")
    one = Recorded(path)

    bare = await replay(one.history(), (Unpatched, OutstandingDelivery))
    patched = await replay(one.history(), (Patched, OutstandingDelivery))

    assert "Nondeterminism" in str(bare.failure)
    assert patched.failure is None
    assert patched.trail == one.trail()


@LONG
async def test_a_patch_from_its_first_release_to_its_removal(release: Releases) -> None:
    async with release(OLD) as service:
        approved_before = await service.applicant()
        await approved_before.to_qualified()
        under_review = await service.applicant()
        await under_review.to_review()

    async with release(Patched) as service:
        await goes_on(approved_before)
        await under_review.signal("approve_application", form_revision=1)
        patched = await service.applicant()
        await patched.to_qualified()

    # Who was approved before keeps that past; who comes to the place only now goes the new way.
    assert ASKED[0] not in await trail(approved_before, Patched)
    assert await went(under_review, Patched) == await went(patched, Patched) == ASKED
    assert not await replays(patched, OLD), "going back would break it"
    assert not await replays(approved_before, Deprecated), "too early while it runs"

    async with release(Deprecated) as service:
        await goes_on(patched)
        deprecated = await service.applicant()
        await deprecated.to_qualified()

    assert await went(patched, Deprecated) == DEPRECATED
    assert await went(deprecated, Deprecated) == DEPRECATED
    assert await replays(deprecated, Patched), "one release back is safe"
    assert not await replays(patched, REMOVED), "too early while it runs"

    async with release(REMOVED) as service:
        await goes_on(deprecated)
        after = await service.applicant()
        await after.to_qualified()

    assert await replays(after, REMOVED)
    assert await replays(after, Deprecated), "one release back is safe"
