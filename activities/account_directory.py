"""The account directory: who holds an account of the vendor's cloud, and whether that is verified."""

import re
from collections.abc import Callable, Sequence
from typing import Final, Protocol

from activities.outside_service import UnusableAnswerError
from domain.inquiry import Account
from domain.values import readable, safe_in_header, without_misleading_marks

MOST_CHARACTERS: Final = 1_000
"""The longest text of the directory that is taken; a form can't have a name as long."""
_WHITE_SPACE: Final = re.compile(r"[ \t\r\n]+")


class AccountDirectory(Protocol):
    """Answers questions about accounts."""

    async def find(self, uids: Sequence[str]) -> tuple[Account, ...]:
        """The accounts with these UIDs, in their order; unknown ones are absent. Each is `usable`.

        An outage raises the error of the transport (of SQLAlchemy or httpx), an answer that can't be used
        `UnusableAnswerError`.
        """


def usable(account: Account) -> Account:
    """The account with its texts as one line each, without marks that mislead: what is looked up comes back
    in the status and in mails, and is carried from run to run.

    Raises `UnusableAnswerError` for what nobody could enter either: a control character, ``=?``, a text over
    `MOST_CHARACTERS`, a verified enterprise without a name.
    """
    company = account.enterprise
    texts = {
        "partner_level": account.partner_level,
        "enterprise.legal_name": company and company.legal_name,
        "enterprise.registration_number": company and company.registration_number,
    }
    level, name, number = (text and _one_line(account.uid, field, text) for field, text in texts.items())
    if company and company.verified:
        _check(account.uid, "enterprise.legal_name", readable, name or "")
    enterprise = company and company.model_copy(update={"legal_name": name, "registration_number": number})
    return account.model_copy(update={"enterprise": enterprise, "partner_level": level})


def _one_line(uid: str, field: str, text: str) -> str:
    if len(text) > MOST_CHARACTERS:
        raise _wrong(uid, field, f"must have at most {MOST_CHARACTERS:,} characters")
    seen = without_misleading_marks(text)
    return _check(uid, field, safe_in_header, _WHITE_SPACE.sub(" ", seen).strip())


def _check(uid: str, field: str, rule: Callable[[str], str], text: str) -> str:
    try:
        return rule(text)
    except ValueError as error:
        raise _wrong(uid, field, str(error)) from None


def _wrong(uid: str, field: str, problem: str) -> UnusableAnswerError:
    return UnusableAnswerError(f"account {uid}, {field}: {problem}")
