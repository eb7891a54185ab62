"""The page at `/`: its files, the demo scene it plays, and what the server would understand of a prompt.

The page is plain files (`static/`): no build step, nothing from elsewhere. The headers below let the browser hold it to
that: scripts, styles, workers and connections come from this server or not at all.
"""

from __future__ import annotations

import asyncio
import io
import wave
from collections.abc import Awaitable, Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from engine.errors import BadInput, UnknownPrompt
from engine.vocabulary import Vocabulary
from streaming.scene import load_scene

STATIC_FOLDER = Path(__file__).parent / "static"

SECURITY_HEADERS = {
    "content-security-policy": "; ".join((
        "default-src 'none'", "script-src 'self'", "style-src 'self'", "worker-src 'self'", "connect-src 'self'",
        "img-src 'self' data:", "media-src 'self' blob:", "base-uri 'none'", "form-action 'none'",
        "frame-ancestors 'none'",
    )),
    "permissions-policy": "microphone=(self), display-capture=(self), camera=(self), geolocation=()",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    # Always asked for again, answered by 304 where nothing changed: a new server never meets half of an old page.
    "cache-control": "no-cache",
}  # fmt: skip

Locked = Callable[[Request], Response | None]


class _Guarded:
    """An ASGI application with the page's headers on every answer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(SECURITY_HEADERS)
            await send(message)

        await self._app(scope, receive, with_headers)


def page_routes(vocabulary: Callable[[Request], Vocabulary], locked: Locked) -> Sequence[BaseRoute]:
    """The page's routes.

    Args:
        vocabulary: what the running model knows.
        locked: the refusal of a request without the key it needs, or None.
    """

    async def understood(request: Request) -> Response:
        if (refused := locked(request)) is not None:
            return refused
        return JSONResponse(reading(request.query_params.get("prompt", ""), vocabulary(request)))

    return (
        Route("/", _html("index.html")),
        Route("/listen", _html("listen.html")),
        Route("/v1/understand", understood),
        Route("/v1/demo-scene", _scene),
        Route("/v1/demo-scene.wav", _scene_sound),
        Mount("/static", _Guarded(StaticFiles(directory=STATIC_FOLDER))),
    )


def _html(name: str) -> Callable[[Request], Awaitable[Response]]:
    async def page(request: Request) -> Response:
        return FileResponse(STATIC_FOLDER / name, headers=SECURITY_HEADERS)

    return page


def reading(prompt: str, vocabulary: Vocabulary) -> dict[str, Any]:
    """What a prompt means to a model: `understood`, or `unknown` with the three nearest sounds it knows."""
    try:
        concepts = vocabulary.read(prompt)
    except UnknownPrompt as error:
        return {"prompt": prompt, "understood": [], "unknown": str(error), "suggestions": list(error.suggestions)}
    except BadInput as error:
        return {"prompt": prompt, "understood": [], "unknown": str(error), "suggestions": []}
    return {
        "prompt": prompt,
        "understood": [{"label": match.label, "score": round(match.score, 3)} for match in concepts.matches],
        "everything_but": concepts.inverted,
        "caution": vocabulary.caution(concepts),
    }


@cache
def _rendered() -> tuple[dict[str, Any], bytes]:
    """The scene told, and its mixture as a WAV file (16 bit, turned down where the sum would clip)."""
    scene = load_scene()
    mixture = scene.mixture
    peak = float(np.abs(mixture).max())
    samples = np.round(mixture.T * (32767.0 / max(peak, 1.0))).astype("<i2")
    told = {
        "title": scene.title,
        "prompt": scene.default,
        "sample_rate": scene.rate,
        "seconds": mixture.shape[1] / scene.rate,
        "stems": [{"name": stem.name, "answers": sorted(stem.answers)} for stem in scene.stems],
    }
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(mixture.shape[0])
        writer.setsampwidth(2)
        writer.setframerate(scene.rate)
        writer.writeframes(samples.tobytes())
    return told, file.getvalue()


async def _scene(request: Request) -> Response:
    """What the demo scene is."""
    told, _ = await asyncio.to_thread(_rendered)
    return JSONResponse(told)


async def _scene_sound(request: Request) -> Response:
    """The demo scene's mixture."""
    _, sound = await asyncio.to_thread(_rendered)
    return Response(sound, media_type="audio/wav", headers={"cache-control": "public, max-age=3600"})
