"""What the text of a setting must look like.

Each gives the value back, or raises ``ValueError`` in words that go with the variable's name. A module that
judges a text because it uses it is imported only when there is one: few programs need it.
"""

import os
import re
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import SecretStr

from activities.loopback import is_loopback


def token(value: SecretStr) -> SecretStr:
    """A secret that callers show."""
    if not re.fullmatch(r"[\x21-\x7e]{16,}", value.get_secret_value()):
        raise ValueError("must be at least 16 characters, without blanks")
    return value


def deployment(value: str) -> str:
    """The name of a worker deployment."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}", value):
        raise ValueError("must be letters, digits, '-' and '_' (Temporal puts '.' between name and build ID)")
    return value


def build_id(value: str) -> str:
    """A version within it."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}", value):
        raise ValueError("must be letters, digits, '.', '-' and '_', such as a git commit")
    return value


def listening(value: str) -> str:
    """Where to listen."""
    host, _, port = value.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise ValueError("must be address:port, such as 0.0.0.0:9464")
    return value


def touchable(value: Path) -> Path:
    """A file that can be made."""
    # Not by `Path.is_dir`, which raises where it may not look.
    if os.path.isdir(value):
        raise ValueError(f"{value} is a folder; name a file in it")
    if not os.path.isdir(value.parent):
        raise ValueError(f"the folder {value.parent} does not exist; make it, or name another")
    return value


def issuer(value: str) -> str:
    """An issuer of tokens: its address, protected unless it is this machine's."""
    try:
        parts = urlsplit(value)
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
        parts = urlsplit("")
    protected = parts.scheme == "https" or (parts.scheme == "http" and host and is_loopback(host))
    if not host or not protected or parts.query or parts.fragment or parts.username or port == 0:
        raise ValueError("must be the issuer's address, https://… (http:// only on this machine)")
    return value


def api(value: str) -> str:
    """Where the API is, protected unless it is on this machine."""
    try:
        return issuer(value).rstrip("/")
    except ValueError:
        raise ValueError("must be the API's address, https://… (http:// only on this machine)") from None


def claim(value: str) -> str:
    """The name of a claim, or a path to one."""
    if not re.fullmatch(r"[\x21-\x7e]{1,200}", value):
        raise ValueError("must be the name of a claim, such as realm_access.roles")
    return value


def scope(value: str) -> str:
    """What is asked of an issuer."""
    if not re.fullmatch(r"[!#-\[\]-~]+( [!#-\[\]-~]+)*", value) or "openid" not in value.split():
        raise ValueError("must be words with blanks between, openid among them")
    return value


def session_keys(value: SecretStr) -> SecretStr:
    """Keys that encrypt what browsers keep."""
    from cryptography.fernet import Fernet

    try:
        for each in value.get_secret_value().split(","):
            Fernet(each.strip())
    # An error of its own would show the key.
    except ValueError:
        raise ValueError(
            "must be 32 random bytes in base64 (openssl rand -base64 32), or several such with commas between"
        ) from None
    return value


def readable_file(value: Path) -> Path:
    """A file that is there."""
    if not os.path.isfile(value):
        raise ValueError(f"names no file: {value}")
    return value


def mailbox(value: str) -> str:
    """An address that mails go to."""
    from activities.emails.message import check_mailbox

    check_mailbox(value)
    return value


def webhook_allow(value: str) -> str:
    """Where webhooks may go besides public addresses."""
    from activities.webhooks.addresses import Allowed

    Allowed.from_text(value)
    return value
