"""Sessions of the pages, kept by the browser alone: an encrypted cookie, so that any process can read it.

A session is for twelve hours at most. Who its person is, and what roles he has, is asked for again at the
issuer every five minutes, with the refresh token it has given; without one, or when that is not taken any
more, the person is sent through the issuer once more, which lets him pass without a question while he is
signed in there.
"""

import asyncio
import hashlib
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final, Literal, TypeVar

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from pydantic import TypeAdapter, ValidationError
from starlette.requests import Request
from starlette.responses import Response

from starter.web.callers import Caller
from starter.web.issuer import IssuerError
from starter.web.relying_party import Begun, Identified, RelyingParty, SignInError

LONGEST: Final = 12 * 3600
"""Seconds a session lasts at most."""
ASK_AFTER: Final = 300
"""Seconds after which roles are asked for again."""
ASK_BEFORE_CHANGE_AFTER: Final = 3600
"""The same for what changes something, where the issuer can be asked only by way of the browser: that would
lose what somebody has written."""
SIGN_IN_WITHIN: Final = 900
"""Seconds somebody has for signing in at the issuer."""
MAX_COOKIE: Final = 3900
"""Characters: browsers drop a cookie of more than 4096 bytes, its name and attributes included."""
_SHARE_FOR: Final = 10.0
"""Seconds for which requests that a browser sent together share what the issuer answered to one of them: some
issuers take a refresh token once only."""
_MOST_BYTES: Final = 64 * 1024


@dataclass(frozen=True)
class Session:
    """Somebody who has signed in.

    Attributes:
        issuer: whose word it is.
        began, asked: when he signed in, and when the issuer was asked last; seconds since 1970.
    """

    issuer: str
    caller: Caller
    began: int
    asked: int
    refresh_token: str | None = None

    @property
    def ends(self) -> int:
        """When it is over, in seconds since 1970."""
        return self.began + LONGEST


class NotSignedInError(Exception):
    """There is no session, or not any more; ``known``: it was of somebody the issuer may still know."""

    def __init__(self, *, known: bool = False) -> None:
        super().__init__("not signed in")
        self.known: Final = known


class TooLargeError(Exception):
    """What is to be kept of somebody does not go into a cookie."""


class Seal:
    """Encrypts what the browser keeps, so that it can neither read nor change it."""

    def __init__(self, keys: str) -> None:
        """``keys``: 32 bytes each in base64, parted by commas; the first one writes, all read.

        Raises ValueError for anything else.
        """
        self._fernet = MultiFernet([Fernet(each.strip()) for each in keys.split(",")])

    @classmethod
    def of_its_own(cls) -> "Seal":
        """With a key that nobody else has, and that is lost with the process."""
        return cls(Fernet.generate_key().decode())

    def closed(self, content: bytes) -> str:
        """The content, encrypted."""
        return self._fernet.encrypt(zlib.compress(content, 9)).decode()

    def opened(self, text: str) -> bytes | None:
        """The content; ``None``: it was sealed by nobody who has one of the keys."""
        try:
            unpacked = zlib.decompressobj()
            return unpacked.decompress(self._fernet.decrypt(text), _MOST_BYTES)
        except (InvalidToken, ValueError, zlib.error):
            return None


Kept = TypeVar("Kept", Session, Begun)
_Kind = Literal["session", "sign-in"]


class Sessions:
    """Sessions of the pages at an address."""

    def __init__(
        self, base: str, seal: Seal, party: RelyingParty, *, clock: Callable[[], float] = time.time
    ) -> None:
        """``base``: the pages' own address, ``https://portal.example``; ``http:`` only on this machine."""
        self.base: Final = base
        self._protected = base.startswith("https:")
        self._seal = seal
        self._party = party
        self._clock = clock
        self._asking: dict[str, asyncio.Task[Identified]] = {}

    async def begin(self, to: str) -> tuple[str, Begun]:
        """Where at the issuer one signs in, and what the browser keeps until it comes back.

        Raises:
            IssuerError: the issuer can't be asked.
        """
        begun = Begun.now(to, int(self._clock()))
        return await self._party.begin(begun), begun

    async def finish(self, request: Request) -> tuple[Session, str]:
        """The session of who comes back from the issuer, and where he goes on.

        Raises:
            SignInError: nobody is signed in.
            IssuerError: the issuer can't be asked.
        """
        begun = self._kept(request, "sign-in", _BEGUN)
        if begun is None or self._clock() - begun.at >= SIGN_IN_WITHIN:
            raise SignInError("this browser has not begun it, or too long ago")
        found = await self._party.identified(dict(request.query_params), begun)
        now = int(self._clock())
        return Session(self._party.issuer, found.caller, now, now, found.refresh_token), begun.to

    def at_hand(self, request: Request) -> Session | None:
        """The session of the browser, whenever the issuer was asked."""
        session = self._kept(request, "session", _SESSION)
        if session is None or session.issuer != self._party.issuer or self._clock() >= session.ends:
            return None
        return session

    async def current(self, request: Request) -> Session:
        """The session of the browser, with roles that are not older than `ASK_AFTER`: newer ones than the
        browser's where `Session.asked` is.

        Raises:
            NotSignedInError: there is none.
            IssuerError: the issuer has to be asked, and can't be.
        """
        session = self.at_hand(request)
        if session is None:
            raise NotSignedInError
        now = int(self._clock())
        changes = request.method not in {"GET", "HEAD"}
        late = changes and session.refresh_token is None
        if now - session.asked < (ASK_BEFORE_CHANGE_AFTER if late else ASK_AFTER):
            return session
        try:
            found = await self._again(session)
        except SignInError:
            raise NotSignedInError(known=True) from None
        return replace(session, caller=found.caller, asked=now, refresh_token=found.refresh_token)

    async def end(self, request: Request, back: str) -> str | None:
        """Take back what the issuer has given to the browser's session, and say where one signs out there."""
        session = self.at_hand(request)
        if session is None:
            return None
        try:
            # For the ID token: by it the issuer knows whom to sign out, and need not ask.
            found = await self._again(session)
        except (SignInError, IssuerError):
            found = Identified(session.caller, "", session.refresh_token)
        there = await self._party.end(found, back)
        # Nor is a copy of the cookie told what the issuer answered before.
        self._asking.pop(_digest(session.refresh_token or ""), None)
        return there

    def keep(self, response: Response, what: Session | Begun) -> None:
        """Have the browser keep it, in place of what it kept.

        Raises:
            TooLargeError: it can't.
        """
        if isinstance(what, Begun):
            self._set(response, "sign-in", self._sealed("sign-in", _BEGUN.dump_json(what)), SIGN_IN_WITHIN)
            return
        value = self._sealed("session", _SESSION.dump_json(what))
        if len(value) > MAX_COOKIE:
            # The issuer is then asked by way of the browser.
            value = self._sealed("session", _SESSION.dump_json(replace(what, refresh_token=None)))
        if len(value) > MAX_COOKIE:
            raise TooLargeError
        self._set(response, "session", value, what.ends - int(self._clock()))

    def forget(self, response: Response, kind: _Kind) -> None:
        """Have the browser keep it no longer."""
        self._set(response, kind, "", 0)

    async def _again(self, session: Session) -> Identified:
        if session.refresh_token is None:
            raise SignInError("the issuer has given no refresh token")
        key = _digest(session.refresh_token)
        asking = self._asking.get(key)
        if asking is None:
            asking = asyncio.create_task(self._party.again(session.caller, session.refresh_token))
            self._asking[key] = asking
            asyncio.get_running_loop().call_later(_SHARE_FOR, self._asking.pop, key, None)
        return await asyncio.shield(asking)

    def _name(self, kind: _Kind) -> str:
        return f"__Host-onboarding-{kind}" if self._protected else f"onboarding-{kind}"

    def _kept(self, request: Request, kind: _Kind, adapter: TypeAdapter[Kept]) -> Kept | None:
        content = self._seal.opened(request.cookies.get(self._name(kind), ""))
        prefix = _prefix(kind)
        if content is None or not content.startswith(prefix):
            return None
        try:
            return adapter.validate_json(content.removeprefix(prefix))
        except ValidationError:
            # Of another release.
            return None

    def _sealed(self, kind: _Kind, content: bytes) -> str:
        return self._seal.closed(_prefix(kind) + content)

    def _set(self, response: Response, kind: _Kind, value: str, seconds: int) -> None:
        response.set_cookie(
            self._name(kind),
            value,
            max_age=seconds,
            path="/",
            secure=self._protected,
            httponly=True,
            samesite="lax",
        )


_SESSION: Final = TypeAdapter(Session)
_BEGUN: Final = TypeAdapter(Begun)


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _prefix(kind: _Kind) -> bytes:
    """So that one kind can't be taken for the other."""
    return f"{kind}:".encode()
