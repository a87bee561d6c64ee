"""How values become Temporal payloads: pydantic's JSON, and never a payload that a workflow cannot take in.

Temporal decodes the arguments of ``run`` and of every handler before any code of ours, interceptors
included, sees them. What does not decode is logged and dropped (a signal) or fails the workflow task
again and again (start input, an update, a query). Handlers that take ``*args: Any`` are decoded without
a type hint; for those this converter hands over the undecodable payload itself, so that it can be refused
on record like every other bad message.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from temporalio.api.common.v1 import Payload
from temporalio.common import RawValue
from temporalio.contrib.pydantic import PydanticJSONPlainPayloadConverter, PydanticPayloadConverter
from temporalio.converter import (
    CompositePayloadConverter,
    DataConverter,
    DefaultFailureConverterWithEncodedAttributes,
    DefaultPayloadConverter,
    JSONPlainPayloadConverter,
    PayloadCodec,
)

from domain.values import Contract
from workflows.encryption import CAME_CLEAR


class CompactJsonConverter(PydanticJSONPlainPayloadConverter):
    """Pydantic's JSON, without the fields of our models that are not set: histories are read and kept for
    months.

    Only ``null`` is left out. A default that means something is written, since the code's may change.
    """

    def to_payload(self, value: Any) -> Payload | None:
        """The value as JSON."""
        if not isinstance(value, Contract):
            return super().to_payload(value)
        data = value.model_dump_json(exclude_none=True).encode()
        return Payload(metadata={"encoding": self.encoding.encode()}, data=data)


# The SDK makes a converter for each activation of a run. These keep nothing of what they convert.
_CONVERTERS: Final = tuple(
    CompactJsonConverter() if isinstance(each, JSONPlainPayloadConverter) else each
    for each in DefaultPayloadConverter.default_encoding_payload_converters
)


class LenientPayloadConverter(PydanticPayloadConverter):
    """Temporal's pydantic converter, except that decoding without a type hint never fails.

    A payload of unknown encoding, broken JSON, JSON nested too deeply and the like then comes back as a
    `temporalio.common.RawValue` holding it, and so does one that came clear where encryption is required.
    With type hints it is the pydantic converter, errors and all.
    """

    def __init__(self) -> None:
        """Takes no arguments: the SDK makes converters of this class itself."""
        CompositePayloadConverter.__init__(self, *_CONVERTERS)

    def from_payloads(self, payloads: Sequence[Payload], type_hints: list[type] | None = None) -> list[Any]:
        """Decode each payload to its type hint or, where there are no hints, to a value or a `RawValue`.

        Raises:
            KeyError: a payload with a hint has an encoding no converter knows.
            RuntimeError: a payload with a hint does not decode.
            pydantic.ValidationError: a payload with a hint is not of its type.
        """
        if type_hints:
            return super().from_payloads(payloads, type_hints)
        return [self._decode_or_wrap(payload) for payload in payloads]

    def _decode_or_wrap(self, payload: Payload) -> Any:
        if CAME_CLEAR in payload.metadata:
            return RawValue(payload)
        try:
            [value] = super().from_payloads([payload])
        except Exception:
            # Each encoding fails in its own ways (KeyError, UnicodeDecodeError, protobuf's errors, ...);
            # whatever it is, letting it out would wedge the workflow.
            return RawValue(payload)
        return value


DATA_CONVERTER: Final = DataConverter(payload_converter_class=LenientPayloadConverter)
"""For every client and replayer; `workflows.plugin.OnboardingPlugin` carries it there."""


def data_converter(codec: PayloadCodec | None) -> DataConverter:
    """`DATA_CONVERTER`, with a codec for what is stored, the messages and traces of failures included."""
    if codec is None:
        return DATA_CONVERTER
    return replace(
        DATA_CONVERTER,
        payload_codec=codec,
        failure_converter_class=DefaultFailureConverterWithEncodedAttributes,
    )
