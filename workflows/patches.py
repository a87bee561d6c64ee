"""Named patches: where running applications keep the way they began, and new ones go another.

A change that gives a running application other commands, or another past, is put behind one::

    if workflow.patched(patches.ACCOUNTS_AT_APPROVAL.id):
        ...  # the new way
    else:
        ...  # the way histories of older releases went

For the machinery alone: rules, notices, periods and rows change by edition (`domain/editions.py`).
`docs/how-to/changing-the-process.md` ("A change of the machinery") tells the life of a patch.
"""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Patch:
    """One change; its ID stands in histories for good, so no other change may have it later.

    ``why``: what differs behind it. ``since``: the release that brought it. ``removable_when``: what has to
    be true before the old way, and then the patch, may go.
    """

    id: str
    why: str
    since: str
    removable_when: str


UNREADABLE: Final = Patch(
    id="unreadable",
    why="No change of the code: with the number of a message behind it, it records that the run could not"
    " read that message (encryption.py), whatever keys a replay has.",
    since="0.1.0",
    removable_when="Never: every run goes by its own record.",
)

ALL: Final[tuple[Patch, ...]] = (UNREADABLE,)
"""Every patch the code still asks for; each is a constant of its own."""
