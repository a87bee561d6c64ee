"""JSON that people write, as the console reads it."""

import asyncio
import json
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, TextIO

JSON_ENCODING: Final = "utf-8-sig"
"""UTF-8, with or without the mark that editors on Windows begin a file with."""


_PIECE: Final = 8_192


class NotJsonError(Exception):
    """What was written can't be read, or not without guessing what is meant; the message says why."""


def text_of(file: TextIO) -> str:
    """All of a file; Ctrl-C ends the reading at once, as it may be of a terminal where nothing comes.

    Raises:
        NotJsonError: it is not UTF-8; the message names the file.
    """
    try:
        with _interruptible():
            # Not at once: between two pieces Python takes notice of a signal.
            return "".join(iter(lambda: file.read(_PIECE), ""))
    except UnicodeDecodeError:
        raise NotJsonError(f"{name_of(file)} is not UTF-8") from None


def name_of(file: TextIO) -> str:
    """How a file is called where something is wrong with it."""
    return str(getattr(file, "name", "<stdin>"))


def json_in(file: TextIO) -> object:
    """What a file says.

    Raises:
        NotJsonError: as `text_of` and `parsed`; the message names the file.
    """
    text = text_of(file)
    try:
        return parsed(text)
    except NotJsonError as error:
        raise NotJsonError(f"{name_of(file)} {error}") from None


def parsed(text: str) -> object:
    """What a text says.

    Raises:
        NotJsonError: it is not JSON, or names a key of an object twice, of which JSON readers take one.
    """
    try:
        return json.loads(text, object_pairs_hook=_without_doubles)
    # ValueError: no JSON, or a number Python won't read; RecursionError: nested too deeply.
    except (ValueError, RecursionError) as error:
        raise NotJsonError(f"is not JSON: {error}") from None


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        doubled = next(name for name in names if names.count(name) > 1)
        raise NotJsonError(f"has the key {json.dumps(doubled, ensure_ascii=False)} twice in one object")
    return found


@contextmanager
def _interruptible() -> Iterator[None]:
    """While asyncio runs, Ctrl-C cancels a task, which learns of it only when it waits for something."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    except KeyboardInterrupt:
        raise asyncio.CancelledError from None
    finally:
        signal.signal(signal.SIGINT, before)
