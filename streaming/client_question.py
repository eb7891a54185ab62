"""A question of the client that the server answers: one at a time, each with a limit, over a broken connection too.

A question that was asked right before a break may have been heard or not, and its answer may be kept for us. So after
the break a `ping` goes first: what the server still has to say comes before the `pong`. Only where that was nothing is
the question asked again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from engine.errors import WinnowError
from streaming.client_wire import ConnectionLost, Disconnected, server_error

_ANSWER_S = 5.0
_PONG = "pong"

Say = Callable[[dict[str, Any]], Awaitable[None]]


class Question:
    """See the module. Whoever reads the socket hands over the answers.

    Args:
        say: sends a message; raises ConnectionLost.
        connected: waits for a connection; raises what ended the session where none will come.
    """

    def __init__(self, say: Say, connected: Callable[[], Awaitable[None]]) -> None:
        self._say, self._connected = say, connected
        self._answer: asyncio.Future[dict[str, Any]] | None = None
        self._turn = asyncio.Lock()

    async def ask(self, message: dict[str, Any]) -> dict[str, Any]:
        """Send a message, after the questions before it were answered; gives the answer. Without a connection it waits
        for one.

        Raises:
            UnknownPrompt, NoCapacity, Refusal: the server says no.
            Disconnected: no answer; or whatever `connected` and `give_up` raise.
        """
        async with self._turn:  # first come, first asked: of two wishes for one target the later one holds
            asked = False
            while True:
                await self._connected()
                try:
                    answer = await self._asked({"type": "ping"}) if asked else None
                    if answer is None or answer["type"] == _PONG:
                        asked = True
                        answer = await self._asked(message)
                    return answer
                except ConnectionLost:
                    continue
                except TimeoutError:
                    raise Disconnected(f"no answer to {message['type']} within {_ANSWER_S:.0f} s") from None

    async def _asked(self, message: dict[str, Any]) -> dict[str, Any]:
        self._answer = asyncio.get_running_loop().create_future()
        try:
            await self._say(message)
            return await asyncio.wait_for(self._answer, _ANSWER_S)
        finally:
            self._answer = None

    def answer(self, event: dict[str, Any]) -> None:
        """An `updated`, a `pong`, or an `error` that does not close; without a question it is not ours."""
        if self._answer is None or self._answer.done():
            return
        if event["type"] == "error":
            self._answer.set_exception(server_error(event))
        else:
            self._answer.set_result(event)

    def give_up(self, error: WinnowError) -> None:
        """No answer will come any more, or (`ConnectionLost`) none on this connection."""
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(error)
