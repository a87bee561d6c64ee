"""The load, and the mail server that counts: what is awaited, in which order, and how many at once."""

import asyncio
import json
from pathlib import Path

import aiosmtplib
import pytest

from bench.chaos.services import IP, free_ports
from bench.ratio.load import Stored, drive
from bench.ratio.ours import command
from bench.ratio.reference import MESSAGES, Step
from bench.ratio.smtp import MailServer
from domain.commands import COMMAND_ADAPTER


class Instant:
    """An engine that is done at once, and notes what it was asked."""

    def __init__(self) -> None:
        self.asked: dict[str, list[str]] = {}
        self.most = 0
        self._under_way = 0

    async def start(self, name: str) -> None:
        self.asked[name] = ["start"]
        self._under_way += 1
        self.most = max(self.most, self._under_way)

    async def send(self, name: str, message: str) -> None:
        self.asked[name].append(message)
        await asyncio.sleep(0)

    async def finish(self, name: str) -> None:
        self.asked[name].append("finish")
        self._under_way -= 1


async def test_all_are_played_so_many_at_once() -> None:
    engine, ended = Instant(), list[str]()
    names = [str(number) for number in range(7)]
    driven = await drive(engine, names, 3, lambda: ended.append("one"))
    in_order = ["start", *(step.name for step in MESSAGES), "finish"]
    assert engine.asked == dict.fromkeys(names, in_order)
    assert (engine.most, len(ended), len(driven.answered)) == (3, 7, 7 * len(MESSAGES))


async def test_what_was_measured_is_handed_over(tmp_path: Path) -> None:
    driven = await drive(Instant(), ["1"], 1)
    driven.write(tmp_path / "out.json", more=[1])
    read = json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))
    assert read == {
        "seconds": driven.seconds,
        "cpu_seconds": driven.cpu_seconds,
        "answered": driven.answered,
        "more": [1],
    }


async def test_a_step_is_told_from_another_thread() -> None:
    stored = Stored()
    event = stored.awaited("1", "start")
    await asyncio.to_thread(stored.tell, "1", "other")
    assert not event.is_set()
    await asyncio.to_thread(stored.tell, "1", "start")
    await event.wait()


@pytest.mark.parametrize("message", MESSAGES, ids=lambda step: step.name)
def test_every_message_is_a_command_of_the_contract(message: Step) -> None:
    terms = {"sheet_revision": 2, "sheet_hash": "0" * 64}
    made = command("7000000001", message.name, terms)
    assert COMMAND_ADAPTER.validate_python(made).kind == made["kind"]
    assert message.name.startswith(made["kind"])


async def test_the_mail_server_counts_mails_and_ids() -> None:
    [port] = free_ports(1)
    server = MailServer()
    async with await asyncio.start_server(server.converse, IP, port):
        for message_id in ("<1@vendor>", "<1@vendor>", "<2@vendor>"):
            mail = f"Message-ID:\r\n {message_id}\r\n\r\nHello\r\n.\r\nMessage-ID: in the text\r\n"
            await aiosmtplib.send(
                mail, sender="a@vendor.example.com", recipients=["b@acme.example.com"], hostname=IP, port=port
            )
    assert json.loads(server.counted()) == {"accepted": 3, "distinct": 2}
    server.forget()
    assert json.loads(server.counted()) == {"accepted": 0, "distinct": 0}
