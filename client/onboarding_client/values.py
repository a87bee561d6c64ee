"""Values of which a newer service may know more than this client."""

from enum import StrEnum
from typing import Self


class OpenEnum(StrEnum):
    """One of the words listed, or one that a later release of the service has added."""

    @classmethod
    def _missing_(cls, value: object) -> Self | None:
        if not isinstance(value, str):
            return None
        added = str.__new__(cls, value)
        added._name_, added._value_ = value, value
        return added
