"""A question of the client that the server answers: one at a time, each with a limit."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from engine.errors import WinnowError
from streaming.client_wire import Disconnected, server_error

_ANSWER_S = 5.0


class Question:
    """See the module. Whoever reads the socket hands over the answers."""

    def __init__(self) -> None:
        self._answer: asyncio.Future[dict[str, Any]] | None = None
        self._turn = asyncio.Lock()

    async def ask(self, message: dict[str, Any], say: Callable[[dict[str, Any]], Awaitable[None]]) -> dict[str, Any]:
        """Send a message by `say`, after the questions before it were answered; gives the answer.

        Raises:
            UnknownPrompt, NoCapacity, Refusal: the server says no.
            Disconnected: no answer; or whatever `say` and `give_up` raise.
        """
        async with self._turn:
            self._answer = asyncio.get_running_loop().create_future()
            try:
                await say(message)
                return await asyncio.wait_for(self._answer, _ANSWER_S)
            except TimeoutError:
                raise Disconnected(f"no answer to {message['type']} within {_ANSWER_S:.0f} s") from None
            finally:
                self._answer = None

    def answer(self, event: dict[str, Any]) -> None:
        """An `updated`, or an `error` that does not close; without a question it is not ours."""
        if self._answer is None or self._answer.done():
            return
        if event["type"] == "error":
            self._answer.set_exception(server_error(event))
        else:
            self._answer.set_result(event)

    def give_up(self, error: WinnowError) -> None:
        """No answer will come any more."""
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(error)
