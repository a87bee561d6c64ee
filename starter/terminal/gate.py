"""What the gate of the ACPN platform answers who asks for an account."""

from typing import TYPE_CHECKING

from domain.status import Access, Status
from starter.terminal.times import moment

if TYPE_CHECKING:
    from activities.acpn_access import Grant


def granted(grant: "Grant", zone: str) -> Access:
    """The answer for an account with access; ``zone``: the one its instant is told in."""
    return Access(
        granted=True,
        reason="granted",
        message=f"ACPN access granted at {moment(grant.granted_at, zone)} ({zone}),"
        f" by the application of Company Master UID {grant.company_master_uid}.",
    )


def gate_of(status: Status, uid: str) -> Access:
    """The answer for an account without access of its own, by the applicant's status."""
    covered = status.access.covered_uids or (status.application.covered_uids if status.application else ())
    if status.access.granted and uid not in covered:
        return Access(
            reason="closed",
            message=f"Access was granted to UID {', '.join(covered)}; "
            f"Company Master UID {uid} is neither Main nor Associated UID.",
        )
    return status.access
