"""The inference thread: what becomes of the sessions when a step fails."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from engine.bundle import Bundle, load_bundle
from engine.errors import EngineFault
from engine.frames import Result, Work
from tests.streaming.live import END, START, cut, framed_messages, house, next_text, noise, talk


class Broken:
    """A runtime whose steps fail once it is told so."""

    def __init__(self, bundle: Bundle) -> None:
        self._step = bundle.program.step
        self.failing = False
        bundle.program.step = self.step  # type: ignore[method-assign]

    def step(self, works: list[Work]) -> Iterator[list[Result]]:
        """The program's step, or a fault."""
        if self.failing:
            raise EngineFault("the graph broke")
        return self._step(works)


@pytest.mark.parametrize("on_failure", ["close", "pass"])
async def test_a_failing_engine(on_failure: str) -> None:
    bundle = load_bundle("identity")
    broken = Broken(bundle)
    async with house(bundle) as server, server.framed() as link:
        await link.send(json.dumps({**START, "return": ["target"], "on_failure": on_failure}))
        await next_text(link, "started")
        broken.failing = True
        sound = noise(4800).tobytes()
        heard = await talk(link, [*framed_messages(sound, 2), END])
    if on_failure == "close":
        assert (heard.close, heard.error["code"]) == (1011, "engine_fault")
    else:
        assert heard.close == 1000
        assert "engine_failed_passing" in [text["code"] for text in heard.of("warning")]
        assert len(heard.track(0)[0]) == len(sound)


async def test_a_bug_in_the_engine_ends_the_sessions_and_not_the_server() -> None:
    bundle = load_bundle("identity")

    def bug(works: list[Work]) -> Iterator[list[Result]]:
        raise ZeroDivisionError("a bug")

    async with house(bundle) as server:
        right, bundle.program.step = bundle.program.step, bug  # type: ignore[method-assign]
        async with server.raw() as link:
            heard = await talk(link, cut(noise(4800).tobytes(), 960))
        assert (heard.close, heard.error["code"]) == (1011, "internal")
        assert "a bug" not in json.dumps(heard.error)
        bundle.program.step = right  # type: ignore[method-assign]
        async with server.raw() as link:
            assert len((await talk(link, [noise(480).tobytes(), END])).sound) == 960
