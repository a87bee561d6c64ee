"""Stand-ins for personal data: what they replace can't be read from them, and programs treat them alike.

A stand-in has the length, the capitals, the white space and the punctuation of what it stands for, so that
it is valid where that is valid; what counts as the same text in two spellings gets the same stand-in.
"""

import hashlib
import hmac
import re
import secrets
import string
import unicodedata
from collections.abc import Container
from typing import Final

from pydantic import TypeAdapter, ValidationError

from domain.contract import coverage_id, workflow_id
from domain.values import Email

_EMAIL: Final[TypeAdapter[str]] = TypeAdapter(Email)
_NAMED_ADDRESS: Final = re.compile(r"(?P<name>[^<>]*)<(?P<address>[^<>]+)>")
_WORKFLOW_ID: Final = re.compile(
    rf"(?P<of>{re.escape(workflow_id(''))}|{re.escape(coverage_id(''))})"
    r"(?P<uid>[0-9]+)(?:-delivery-(?P<application>.+)-(?P<sequence>[0-9]+))?"
)
_WEB_ADDRESS: Final = re.compile(r"(?P<scheme>https?://)(?P<rest>.+)", re.IGNORECASE)
_HEX: Final = re.compile(r"[0-9A-Fa-f-]{32,}")
"""UUIDs and digests."""
_TRIES: Final = 100
"""To find a stand-in nobody has yet; the short ones run out."""
_CJK: Final = range(0x4E00, 0xA000)
_WITH_MARKS: Final = "àâäçèéêëîïôöùûü"


class StandIns:
    """Gives stand-ins, always the same one for the same text.

    Args:
        reserved: texts that mean something to the program, which no stand-in may be.
    """

    def __init__(self, reserved: Container[str] = ()) -> None:
        self._reserved = reserved
        # It is forgotten with this object: nobody can try which text a stand-in stands for.
        self._secret: Final = secrets.token_bytes(32)
        self._digests: dict[str, str] = {}
        self._attempts: dict[str, int] = {}
        self._taken: set[str] = set()

    def put_digest(self, original: str, stand_in: str) -> None:
        """From now on this hex digest stands for that one: what it was made of has stand-ins itself."""
        self._digests[original.lower()] = stand_in

    def text(self, original: str) -> str:
        """The stand-in for any text, an identifier or an address."""
        digest = self._digests.get(original.lower())
        if digest is not None:
            return digest.upper() if original.isupper() else digest
        if identifier := _WORKFLOW_ID.fullmatch(original):
            stand_in = identifier["of"] + self._shaped(identifier["uid"])
            if identifier["application"]:
                stand_in += f"-delivery-{self.text(identifier['application'])}-{identifier['sequence']}"
            return stand_in
        if web := _WEB_ADDRESS.fullmatch(original):
            return web["scheme"] + self._shaped(web["rest"])
        return self._address(original) if "@" in original else self._shaped(original)

    def number(self, original: int) -> int:
        """The stand-in for a number, the same as for its digits in a text."""
        digits = self._shaped(str(abs(original)))
        return -int(digits) if original < 0 else int(digits)

    def _address(self, original: str) -> str:
        valid = _is_address(original)
        if valid and (named := _NAMED_ADDRESS.fullmatch(original.strip())):
            return f"{self._shaped(named['name'])}<{self._address(named['address'])}>"
        local, _, domain = original.rpartition("@")
        # Mail to a stand-in can reach nobody: example.com is reserved (RFC 2606 §3).
        tag = self._stream(domain.strip().casefold(), 0, 5).hex()
        candidates = (
            f"{self._shaped(local)}@{tag}.example.com",
            f"{self._stream(original.casefold(), 0, 8).hex()}@example.com",
        )
        shaped = self._shaped(original)
        if not valid:
            return shaped if not _is_address(shaped) else shaped.replace("@", "@@")
        return next(filter(_is_address, candidates), candidates[-1])

    def _shaped(self, original: str) -> str:
        if not any(_is_replaced(character) for character in original):
            return original
        # Names of several words are compared by `casefold`, which can make a text longer (ß). Of one word it
        # may be a code, which has to stay as invalid as it is.
        longer = len(original.casefold()) > len(original) and len(original.split()) > 1
        text = original.casefold() if longer else original
        key = "".join(text.casefold().split())
        if key not in self._attempts:
            self._attempts[key] = next(
                (attempt for attempt in range(_TRIES) if self._is_free(self._spelled(key, attempt), key)), 0
            )
            self._taken.add(self._spelled(key, self._attempts[key]).casefold())
        return self._spelled(text, self._attempts[key])

    def _is_free(self, stand_in: str, key: str) -> bool:
        folded = stand_in.casefold()
        return folded != key and folded not in self._taken and stand_in not in self._reserved

    def _spelled(self, text: str, attempt: int) -> str:
        key = "".join(text.casefold().split())
        random = iter(self._stream(key, attempt, 2 * len(text)))
        letters = "abcdef" if _HEX.fullmatch(text) else string.ascii_lowercase
        spelled = ""
        for character in text:
            if character.isspace():
                spelled += character
                continue
            number = next(random) << 8 | next(random)
            if not _is_replaced(character):
                spelled += character
            elif character.isascii() and character.isdigit():
                # A number keeps its length: its first digit stays a digit that counts.
                counts = not spelled and character != "0"
                spelled += str(1 + number % 9) if counts else str(number % 10)
            elif character.lower() == character.upper():
                spelled += chr(_CJK[number % len(_CJK)])
            else:
                alphabet = letters if character.isascii() else _WITH_MARKS
                letter = alphabet[number % len(alphabet)]
                spelled += letter.upper() if character.isupper() else letter
        return spelled

    def _stream(self, key: str, attempt: int, length: int) -> bytes:
        """Bytes that depend on the text and the secret, and tell nothing of either."""
        seed = hmac.digest(self._secret, f"{attempt} {key}".encode("utf-8", "surrogatepass"), "sha256")
        return hashlib.shake_256(seed).digest(length)


def _is_replaced(character: str) -> bool:
    """Letters and digits of any script; marks, symbols and controls only decide what is valid."""
    return unicodedata.category(character)[0] in "LN"


def _is_address(text: str) -> bool:
    try:
        _EMAIL.validate_python(text)
    except ValidationError:
        return False
    return True
