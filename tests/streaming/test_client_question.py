"""One question at a time, and nobody waits for an answer that cannot come."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from engine.errors import UnknownPrompt
from streaming import client_question
from streaming.client_question import Question
from streaming.client_wire import Disconnected

UPDATE: dict[str, Any] = {"type": "update", "targets": []}
UPDATED: dict[str, Any] = {"type": "updated", "pts": 480}
UNKNOWN: dict[str, Any] = {
    "type": "error", "code": "unknown_prompt", "message": "?", "prompt": "zorgle", "suggestions": ["frog"],
}  # fmt: skip


class Wire:
    """Remembers what was said."""

    def __init__(self) -> None:
        self.said: list[dict[str, Any]] = []

    async def say(self, message: dict[str, Any]) -> None:
        self.said.append(message)


async def test_questions_are_asked_one_after_another() -> None:
    question, wire = Question(), Wire()
    question.answer(UPDATED)  # nobody asked
    asking = [asyncio.create_task(question.ask(UPDATE, wire.say)) for _ in range(2)]
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
    question, wire = Question(), Wire()
    asking = asyncio.create_task(question.ask(UPDATE, wire.say))
    await asyncio.sleep(0)
    question.give_up(Disconnected("gone"))
    question.give_up(Disconnected("gone twice"))
    with pytest.raises(Disconnected, match=r"gone$"):
        await asking
    monkeypatch.setattr(client_question, "_ANSWER_S", 0.0)
    with pytest.raises(Disconnected, match="no answer to update"):
        await question.ask(UPDATE, wire.say)
