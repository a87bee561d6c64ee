"""What sends commands to applications, whatever carries them; `commands.py` has a typed method for each."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from domain.contract import Actor, Command
from domain.status import Status
from starter.client.errors import OnboardingError


class Sender(ABC):
    """Sends a command to one applicant's running application, and gives back the status it led to."""

    @abstractmethod
    async def send(self, uid: str, command: Command) -> Status:
        """Send a command and return the status it led to, without documents (`Status.without_documents`).

        Raises:
            OnboardingError: it was refused, or not answered.
        """

    async def _command(
        self, uid: str, kind: type[Command], actor: Actor, envelope: Mapping[str, Any], **fields: Any
    ) -> Status:
        given = {name: value for name, value in envelope.items() if value is not None}
        command = OnboardingError.unless_valid(
            kind, {"command_id": str(uuid4()), **given, "actor": actor, **fields}
        )
        return await self.send(uid, command)
