"""`workflows.codec`: who has the key can read what is written, nobody else can, and nothing raises."""

import base64
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from temporalio.api.common.v1 import Payload
from temporalio.api.failure.v1 import Failure
from temporalio.common import RawValue
from temporalio.exceptions import ApplicationError

from workflows.codec import EncryptionCodec
from workflows.data_converter import data_converter
from workflows.encryption import CAME_CLEAR, ENCODING, KEY_ID

OLD, NEW = b"o" * 32, b"n" * 32
CLEAR = Payload(metadata={"encoding": b"json/plain", "secret-type": b"geheim"}, data=b'"geheim-4711"')


def text(key: bytes) -> str:
    return base64.b64encode(key).decode()


async def sealed(codec: EncryptionCodec, payload: Payload = CLEAR) -> Payload:
    [encrypted] = await codec.encode([payload])
    return encrypted


async def opened(codec: EncryptionCodec, payload: Payload) -> Payload:
    [clear] = await codec.decode([payload])
    return clear


async def test_a_payload_comes_back_whole_and_shows_nothing_but_the_key_id() -> None:
    codec = EncryptionCodec({"k1": NEW})
    encrypted = await sealed(codec)
    assert dict(encrypted.metadata) == {"encoding": ENCODING, KEY_ID: b"k1"}
    assert b"geheim" not in encrypted.SerializeToString()
    assert await opened(codec, encrypted) == CLEAR


async def test_the_same_payload_never_looks_the_same() -> None:
    codec = EncryptionCodec({"k1": NEW})
    encrypted = await codec.encode([CLEAR] * 100)
    assert len({payload.data for payload in encrypted}) == 100
    assert len({payload.data[:12] for payload in encrypted}) == 100


async def test_the_first_key_writes_and_all_read() -> None:
    before = EncryptionCodec({"old": OLD})
    during = EncryptionCodec({"new": NEW, "old": OLD})
    after = EncryptionCodec({"new": NEW})
    by_old, by_new = await sealed(before), await sealed(during)
    assert (by_old.metadata[KEY_ID], by_new.metadata[KEY_ID]) == (b"old", b"new")
    assert await opened(during, by_old) == await opened(during, by_new) == CLEAR
    assert await opened(after, by_new) == CLEAR
    assert await opened(after, by_old) == by_old


def damaged(change: Callable[[Payload], None]) -> Callable[[Payload], Payload]:
    def of(payload: Payload) -> Payload:
        copy = Payload()
        copy.CopyFrom(payload)
        change(copy)
        return copy

    return of


def _flip(payload: Payload) -> None:
    payload.data = payload.data[:-1] + bytes([payload.data[-1] ^ 1])


def _rename(payload: Payload) -> None:
    payload.metadata[KEY_ID] = b"same"


def _lose(payload: Payload) -> None:
    del payload.metadata[KEY_ID]


def _cut(payload: Payload) -> None:
    payload.data = payload.data[:7]


def _garble(payload: Payload) -> None:
    payload.metadata[KEY_ID] = b"\xff\xfe"


@pytest.mark.parametrize("damage", [_flip, _rename, _lose, _cut, _garble])
async def test_what_was_tampered_with_comes_back_as_it_is(damage: Callable[[Payload], None]) -> None:
    """The key ID, too, is authenticated: the same key under another name does not open it."""
    codec = EncryptionCodec({"k1": NEW, "same": NEW})
    broken = damaged(damage)(await sealed(codec))
    assert await opened(codec, broken) == broken


@given(st.dictionaries(st.text(max_size=8), st.binary(max_size=8), max_size=3), st.binary(max_size=64))
async def test_decode_never_raises(metadata: dict[str, bytes], data: bytes) -> None:
    for required in (False, True):
        codec = EncryptionCodec({"k1": NEW}, required=required)
        for encoding in (ENCODING, b"json/plain"):
            payload = Payload(metadata={**metadata, "encoding": encoding, KEY_ID: b"k1"}, data=data)
            answer = await opened(codec, payload)
            assert answer.data == data


async def test_only_where_encryption_is_required_is_a_clear_payload_marked() -> None:
    lenient, strict = EncryptionCodec({"k1": NEW}), EncryptionCodec({"k1": NEW}, required=True)
    assert await opened(lenient, CLEAR) == CLEAR
    marked = await opened(strict, CLEAR)
    assert marked.metadata[CAME_CLEAR]
    assert await opened(strict, await sealed(strict)) == CLEAR
    assert CAME_CLEAR not in CLEAR.metadata, "what was given is not changed"
    converter = data_converter(strict).payload_converter
    assert converter.from_payloads([marked]) == [RawValue(marked)]
    assert converter.from_payloads([marked], [str]) == ["geheim-4711"]


async def test_the_message_and_the_trace_of_a_failure_are_encrypted() -> None:
    converter = data_converter(EncryptionCodec({"k1": NEW}))
    failure = Failure()
    try:
        raise ValueError("inner geheim-4711") from ApplicationError("cause geheim-4711", {"a": "geheim-4711"})
    except ValueError as error:
        await converter.encode_failure(error, failure)
    assert b"geheim" not in failure.SerializeToString()
    again = await converter.decode_failure(failure)
    assert "inner geheim-4711" in str(again)
    assert "cause geheim-4711" in str(again.__cause__)


async def test_keys_as_they_are_set() -> None:
    codec = EncryptionCodec.from_text(f"new:{text(NEW)}, old:{text(OLD)}")
    assert codec.key_ids == ("new", "old")
    assert (await sealed(codec)).metadata[KEY_ID] == b"new"
    assert await opened(codec, await sealed(EncryptionCodec({"old": OLD}))) == CLEAR


@pytest.mark.parametrize(
    ("setting", "says"),
    [
        ("", "id:base64"),
        (text(NEW), "id:base64"),
        (f":{text(NEW)}", "id:base64"),
        (f"a b:{text(NEW)}", "id:base64"),
        (f"k1:{text(NEW)},", "id:base64"),
        (f"k1:{text(NEW)},k1:{text(OLD)}", "twice"),
        ("k1:geheim-4711!", "not base64"),
        (f"k1:{text(b'geheim-4711')}", "32 bytes, not 11"),
    ],
)
def test_a_wrong_setting_is_told_without_the_key(setting: str, says: str) -> None:
    with pytest.raises(ValueError, match=r"id:base64|key") as refused:
        EncryptionCodec.from_text(setting)
    assert says in str(refused.value)
    for hidden in (text(NEW), text(OLD), "geheim"):
        assert hidden not in str(refused.value)
    assert refused.value.__cause__ is None


def test_a_codec_needs_keys() -> None:
    with pytest.raises(ValueError, match="no key"):
        EncryptionCodec({})
    with pytest.raises(ValueError, match="key ID"):
        EncryptionCodec({"a b": NEW})
