"""A Temporal that answers as planned, for what the real server can't be made to say: it refuses nobody."""

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from google.protobuf.message import Message
from temporalio.client import Client
from temporalio.service import ConnectConfig, RPCError, RPCStatusCode, ServiceClient


def refused(status: RPCStatusCode, message: str = "no right to that") -> RPCError:
    """A call the server answers with an error."""
    return RPCError(message, status, b"")


class ScriptedService(ServiceClient):
    """Gives each call the next of these answers; ``exhausted``: one came that finds none left, and waits."""

    def __init__(self, *answers: Message | RPCError) -> None:
        super().__init__(ConnectConfig(target_host="127.0.0.1:1"))
        self._answers = list(answers)
        self.exhausted = asyncio.Event()

    @property
    def client(self) -> Client:
        """A client that asks it."""
        return Client(self)

    @property
    def worker_service_client(self) -> Any:
        """No worker can work with it."""
        raise NotImplementedError

    def update_rpc_metadata(self, metadata: Mapping[str, str | bytes]) -> None:
        """Nothing reads them."""

    def update_api_key(self, api_key: str | None) -> None:
        """Nothing reads it."""

    async def _rpc_call(
        self,
        rpc: str,
        req: Message,
        resp_type: Any,
        *,
        service: str,
        retry: bool,
        metadata: Mapping[str, str | bytes],
        timeout: timedelta | None,  # noqa: ASYNC109 - the SDK's signature
    ) -> Any:
        if not self._answers:
            self.exhausted.set()
            await asyncio.Event().wait()
        answer = self._answers.pop(0)
        if isinstance(answer, RPCError):
            raise answer
        return answer
