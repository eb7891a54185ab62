"""One question at a time, and nobody waits for an answer that cannot come."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from engine.errors import UnknownPrompt
from streaming import client_question
from streaming.client_question import Question
from streaming.client_wire import ConnectionLost, Disconnected

UPDATE: dict[str, Any] = {"type": "update", "targets": []}
UPDATED: dict[str, Any] = {"type": "updated", "pts": 480}
UNKNOWN: dict[str, Any] = {
    "type": "error", "code": "unknown_prompt", "message": "?", "prompt": "zorgle", "suggestions": ["frog"],
}  # fmt: skip


class Wire:
    """Remembers what was said; can break."""

    def __init__(self) -> None:
        self.said: list[dict[str, Any]] = []
        self.there = asyncio.Event()
        self.there.set()
        self.question = Question(self.say, self.connected)

    async def say(self, message: dict[str, Any]) -> None:
        if not self.there.is_set():
            raise ConnectionLost("no connection now")
        self.said.append(message)

    async def connected(self) -> None:
        await self.there.wait()

    def cut(self) -> None:
        self.there.clear()
        self.question.give_up(ConnectionLost("cut"))

    def types(self) -> list[str]:
        return [message["type"] for message in self.said]


async def turns() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_questions_are_asked_one_after_another() -> None:
    wire = Wire()
    question = wire.question
    question.answer(UPDATED)  # nobody asked
    asking = [asyncio.create_task(question.ask(UPDATE)) for _ in range(2)]
    await asyncio.sleep(0)
    assert len(wire.said) == 1
    question.answer(UNKNOWN)
    question.answer(UPDATED)  # one answer is enough
    with pytest.raises(UnknownPrompt):
        await asking[0]
    await asyncio.sleep(0)
    assert len(wire.said) == 2
    question.answer(UPDATED)
    assert await asking[1] == UPDATED


async def test_a_question_ends_with_the_connection_and_with_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    question = Wire().question
    asking = asyncio.create_task(question.ask(UPDATE))
    await asyncio.sleep(0)
    question.give_up(Disconnected("gone"))
    question.give_up(Disconnected("gone twice"))
    with pytest.raises(Disconnected, match=r"gone$"):
        await asking
    monkeypatch.setattr(client_question, "_ANSWER_S", 0.0)
    with pytest.raises(Disconnected, match="no answer to update"):
        await question.ask(UPDATE)


async def test_what_is_asked_without_a_connection_is_asked_with_the_next_one_in_order() -> None:
    wire = Wire()
    wire.cut()
    asking = [asyncio.create_task(wire.question.ask({"type": "update", "targets": [number]})) for number in range(2)]
    await turns()
    assert wire.said == []
    wire.there.set()
    for _ in asking:
        await turns()
        wire.question.answer(UPDATED)
    assert [await one for one in asking] == [UPDATED, UPDATED]
    assert [message["targets"] for message in wire.said] == [[0], [1]]


@pytest.mark.parametrize("kept", [True, False])
async def test_what_broke_off_is_asked_again_where_no_answer_was_kept(kept: bool) -> None:
    wire = Wire()
    asking = asyncio.create_task(wire.question.ask(UPDATE))
    await turns()
    wire.cut()
    await turns()
    wire.there.set()
    await turns()
    assert wire.types() == ["update", "ping"]
    if kept:
        wire.question.answer(UPDATED)
    wire.question.answer({"type": "pong"})
    await turns()
    assert wire.types() == ["update", "ping", *([] if kept else ["update"])]
    wire.question.answer(UPDATED)
    assert await asking == UPDATED
