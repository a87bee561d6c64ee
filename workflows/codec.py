"""Encryption of everything Temporal stores for us: AES-256-GCM, several keys to read, one to write."""

import base64
import binascii
import os
import re
from collections.abc import Mapping, Sequence
from typing import Final, Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from google.protobuf.message import DecodeError
from temporalio.api.common.v1 import Payload
from temporalio.converter import PayloadCodec

from workflows.encryption import CAME_CLEAR, ENCODING, KEY_ID

KEY_BYTES: Final = 32
NONCE_BYTES: Final = 12
"""Random ones of this size are safe for 2^32 payloads a key (NIST SP 800-38D §8.3); then rotate."""
_KEY_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class EncryptionCodec(PayloadCodec):
    """Encrypts whole payloads, their metadata included; the key's ID stands beside them, authenticated.

    An encrypted payload is not bound to its place, as a codec server does not know it: who may write to the
    namespace can send a copy of one elsewhere.
    """

    def __init__(self, keys: Mapping[str, bytes], *, required: bool = False) -> None:
        """``keys``: 32 bytes each, by ID; the first one writes, all read.

        ``required``: mark what comes in clear, so that a workflow can refuse it (see `workflows.encryption`).

        Raises ValueError without a key, or for a wrong ID or length.
        """
        if not keys:
            raise ValueError("names no key")
        for key_id, key in keys.items():
            if not _KEY_ID.fullmatch(key_id):
                raise ValueError("a key ID must be up to 64 letters, digits, '.', '-' and '_'")
            if len(key) != KEY_BYTES:
                raise ValueError(f"key {key_id!r} must have {KEY_BYTES} bytes, not {len(key)}")
        self._ciphers = {key_id: AESGCM(key) for key_id, key in keys.items()}
        self._writes_with = next(iter(keys))
        self._required = required

    @property
    def key_ids(self) -> tuple[str, ...]:
        """The keys it has, the one that writes first."""
        return tuple(self._ciphers)

    @classmethod
    def from_text(cls, text: str, *, required: bool = False) -> Self:
        """Read ``id:base64,id:base64``, the one that writes first.

        Raises ValueError that says what is wrong and shows no key.
        """
        keys: dict[str, bytes] = {}
        for entry in text.split(","):
            key_id, colon, encoded = entry.strip().partition(":")
            if not colon or not _KEY_ID.fullmatch(key_id):
                raise ValueError(
                    "must be id:base64, or several with commas between, the one that writes first"
                )
            if key_id in keys:
                raise ValueError(f"key {key_id!r} stands there twice")
            try:
                keys[key_id] = base64.b64decode(encoded, validate=True)
            except binascii.Error:
                raise ValueError(f"key {key_id!r} is not base64") from None
        return cls(keys, required=required)

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Encrypt each payload with the first key."""
        return [self._encrypted(payload) for payload in payloads]

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Decrypt what can be decrypted; the rest comes back as it is, or marked as clear.

        Never raises: that would block the workflow, or the page, that holds the payload.
        """
        return [self._decrypted(payload) for payload in payloads]

    def _encrypted(self, payload: Payload) -> Payload:
        nonce = os.urandom(NONCE_BYTES)
        sealed = self._ciphers[self._writes_with].encrypt(
            nonce, payload.SerializeToString(), _associated(self._writes_with)
        )
        return Payload(
            metadata={"encoding": ENCODING, KEY_ID: self._writes_with.encode()}, data=nonce + sealed
        )

    def _decrypted(self, payload: Payload) -> Payload:
        if payload.metadata.get("encoding") != ENCODING:
            return self._marked(payload) if self._required else payload
        key_id = payload.metadata.get(KEY_ID, b"").decode("ascii", "replace")
        cipher = self._ciphers.get(key_id)
        if cipher is None:
            return payload
        try:
            clear = cipher.decrypt(
                payload.data[:NONCE_BYTES], payload.data[NONCE_BYTES:], _associated(key_id)
            )
            return Payload.FromString(clear)
        # ValueError: too short to hold a nonce.
        except (InvalidTag, DecodeError, ValueError):
            return payload

    def _marked(self, payload: Payload) -> Payload:
        marked = Payload()
        marked.CopyFrom(payload)
        marked.metadata[CAME_CLEAR] = b"1"
        return marked


def _associated(key_id: str) -> bytes:
    return ENCODING + b" " + key_id.encode()
