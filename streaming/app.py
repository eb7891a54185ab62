"""The HTTP application and the process around it: routes, start and stop, SIGTERM.

create_app(settings) → Starlette        serve(settings) runs it until a signal
"""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import FrameType
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, WebSocketRoute

from engine.bundle import Bundle, list_bundles
from engine.errors import WinnowError
from streaming.errors import Refusal, too_large
from streaming.listen import ListenEndpoint
from streaming.live_server import LiveServer, open_bundle
from streaming.live_socket import LiveSocket
from streaming.page import page_routes
from streaming.peers import Peers
from streaming.problem import Problem, problem_of
from streaming.settings import LARGEST_MESSAGE_BYTES, Settings
from streaming.signalling import Desk
from streaming.tokens import parse_request
from streaming.websocket import LiveEndpoint
from streaming.whep import WhepDoor
from streaming.whip import WhipDoor

log = logging.getLogger("winnow.streaming.app")

_TOKEN_REQUEST_BYTES = 4096

SWITCH_INTERVAL_S = 0.0005
"""How long one Python thread keeps the interpreter while another wants it. The default, 5 ms, is half a hop: the event
loop would hold up a step, or a step the sending of the one before. Measured: see benchmarks/sessions.py."""


def create_app(settings: Settings, bundle: Bundle | None = None) -> Starlette:
    """The application; it needs an ASGI server that offers `LiveSocket` (uvicorn with `ws=LiveSocket`).

    Args:
        settings: read once.
        bundle: an opened model; None: opened at the start, by the settings.
    """
    server = LiveServer(settings, bundle)
    peers = Peers(server)
    desk = Desk(server)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        await server.start()
        peers.start()
        try:
            yield
        finally:
            await server.drain()
            await peers.stop()
            await server.stop()

    routes = [
        Route("/healthz", _healthz),
        Route("/readyz", _readyz),
        Route("/metrics", _metrics),
        Route("/v1/models", _models),
        Route("/v1/sessions", _sessions),
        Route("/v1/tokens", _tokens, methods=["POST"]),
        WebSocketRoute("/v1/live", LiveEndpoint(server)),
        WebSocketRoute("/v1/live/{session}", ListenEndpoint(server)),
        Route("/v1/live", _no_websocket),
        Route("/v1/live/{session}", _no_websocket),
        *WhipDoor(peers, desk).routes(),
        *WhepDoor(peers, desk).routes(),
        *page_routes(lambda request: _server(request).worker.bundle.vocabulary, _locked),
    ]
    app = Starlette(routes=routes, lifespan=lifespan)
    app.state.server = server
    app.state.peers = peers
    return app


def _server(request: Request) -> LiveServer:
    server = request.app.state.server
    assert isinstance(server, LiveServer)
    return server


def _locked(request: Request) -> Response | None:
    """The answer to a request without the key it needs."""
    try:
        _server(request).gate.judge("read", request.headers.get("authorization"))
    except Refusal as refusal:
        return problem_of(refusal).response()
    return None


async def _healthz(request: Request) -> Response:
    """Alive: the event loop answers and the inference thread runs."""
    alive = _server(request).alive
    return JSONResponse({"alive": alive}, 200 if alive else 503)


async def _readyz(request: Request) -> Response:
    """Whether a new session would be taken."""
    ready, body = _server(request).readiness()
    return JSONResponse(body, 200 if ready else 503)


async def _metrics(request: Request) -> Response:
    """Prometheus."""
    server = _server(request)
    server.readiness()
    return Response(server.metrics.render(), media_type="text/plain; version=0.0.4; charset=utf-8")


async def _models(request: Request) -> Response:
    """Every bundle that is installed, broken ones with the reason, and the one that runs, wherever it lies."""
    if (refused := _locked(request)) is not None:
        return refused
    server = _server(request)
    running = server.worker.bundle
    installed = await asyncio.to_thread(list_bundles)
    found = [_described(one.name, one.spec, one.error) for one in installed]
    if running.folder.resolve() not in {one.folder.resolve() for one in installed}:
        found.append(_described(running.spec.name, running.spec, None))
    vocabulary = running.vocabulary
    body = {
        "running": running.spec.name,
        "provider": running.provider,
        "advertised": list(vocabulary.advertised),
        "experimental": list(vocabulary.experimental),
        "improvement_db": vocabulary.scores,
        "models": found,
    }
    return JSONResponse(body)


def _described(name: str, spec: Any, error: Exception | None) -> dict[str, Any]:
    if spec is None:
        return {"name": name, "usable": False, "error": str(error)}
    return {
        "name": name,
        "usable": True,
        "version": spec.version,
        "description": spec.description,
        "licence": spec.licence,
        "sample_rate": spec.audio.sample_rate,
        "latency_ms": round(1000.0 * spec.audio.latency_s, 3),
    }


async def _no_websocket(request: Request) -> Response:
    """A plain GET where a WebSocket is to be opened (RFC 9110, sections 7.8 and 15.5.22)."""
    headers = {"Upgrade": "websocket", "Connection": "Upgrade"}
    return Problem(426, "upgrade_required", "open a WebSocket at this URL", headers=headers).response()


async def _tokens(request: Request) -> Response:
    """Mint a short-lived token for somebody who must not hold the key."""
    gate = _server(request).gate
    try:
        owner = gate.owner(request.headers.get("authorization"))
        body = gate.mint.issue(parse_request(await _small_body(request)), owner)
    except Refusal as refusal:
        return problem_of(refusal).response()
    return JSONResponse(body, 201, {"Cache-Control": "no-store"})


async def _small_body(request: Request) -> bytes:
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > _TOKEN_REQUEST_BYTES:
            raise too_large("body", f"at most {_TOKEN_REQUEST_BYTES} bytes", "more")
    return body


async def _sessions(request: Request) -> Response:
    """The sessions that run now."""
    if (refused := _locked(request)) is not None:
        return refused
    server = _server(request)
    now_s = server.clock()
    body = [runner.describe(now_s) for runner in server.sessions.values()]
    return JSONResponse({"sessions": body})


# --- the process ------------------------------------------------------------------------------------------------


COLLECT_EVERY_TICKS = 100
"""Of uvicorn, 0.1 s each."""
COLLECT_AFTER_ENDED = 8
"""Sessions. A WebRTC peer leaves 0.3 MB in cycles (aiortc's), which on a server that is never empty would pile up."""


class _DrainingServer(uvicorn.Server):
    """uvicorn's server, which on a signal goes on listening (`/readyz` says 503) until the sessions are drained."""

    def __init__(self, config: uvicorn.Config, live: LiveServer) -> None:
        super().__init__(config)
        self._live = live
        self._draining: asyncio.Future[None] | None = None
        self._seen: set[str] = set()
        self._ended = 0
        self.loop: asyncio.AbstractEventLoop | None = None

    async def _serve(self, sockets: Any = None) -> None:
        self.loop = asyncio.get_running_loop()
        # What was made so far lives as long as the process: no collection need look at it again.
        gc.collect()
        gc.freeze()
        gc.disable()
        await super()._serve(sockets)

    async def on_tick(self, counter: int) -> bool:
        """uvicorn's, and the garbage collector's turn.

        Left to itself it looks at everything in the middle of a hop: tens of milliseconds with both threads stopped.
        Reference counts free nearly all that a session leaves behind; what is left in cycles waits for this.
        """
        running = set(self._live.sessions)
        self._ended += len(self._seen - running)
        self._seen = running
        if self._ended >= COLLECT_AFTER_ENDED:
            # 2 ms with 40 peers: what lives as long as the process is frozen.
            self._ended = 0
            gc.collect()
        elif counter % COLLECT_EVERY_TICKS == 0:
            gc.collect(0 if running else 2)
        return await super().on_tick(counter)

    async def startup(self, sockets: Any = None) -> None:
        """uvicorn's, and a word about where we are."""
        await super().startup(sockets)
        for listener in self.servers if self.started else ():
            for found in listener.sockets:
                log.info("listening on %s", ":".join(map(str, found.getsockname()[:2])))

    async def shutdown(self, sockets: Any = None) -> None:
        """uvicorn's, which would wait for the sessions that wait for a client."""
        self._live.forget_absent()
        await super().shutdown(sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """The first signal drains; a second one stops at once."""
        if self._draining is None and self.started and self.loop is not None:
            self._captured_signals.append(sig)
            self.loop.call_soon_threadsafe(self._begin_to_drain)
        else:
            super().handle_exit(sig, frame)

    def _begin_to_drain(self) -> None:
        if self._draining is None:
            self._draining = asyncio.ensure_future(self._drain())

    async def _drain(self) -> None:
        try:
            await self._live.drain()
        finally:
            self.should_exit = True


def uvicorn_server(settings: Settings, bundle: Bundle | None = None) -> uvicorn.Server:
    """The configured server; `serve` runs it, and tests do on a loop of their own."""
    app = create_app(settings, bundle)
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        loop="uvloop" if _has_uvloop() else "asyncio",
        http="h11",
        ws=LiveSocket,
        ws_max_size=LARGEST_MESSAGE_BYTES,
        # Compression costs more than it saves on sound, and memory for each connection.
        ws_per_message_deflate=False,
        # Idleness is judged by what the client sends of itself; answers to our pings would hide it.
        ws_ping_interval=None,
        ws_ping_timeout=None,
        lifespan="on",
        log_config=None,
        access_log=False,
        # Both would else be read from the environment, which is `Settings`' alone.
        workers=1,
        forwarded_allow_ips=[],
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=3,
    )
    live: LiveServer = app.state.server
    return _DrainingServer(config, live)


def _has_uvloop() -> bool:
    try:
        import uvloop  # noqa: F401
    except ImportError:
        return False
    return True


def serve(settings: Settings) -> None:
    """Run until SIGTERM or SIGINT; then drain and return.

    Raises:
        SystemExit: status 3, the server could not start; the reason was logged.
    """
    logging.basicConfig(
        level=settings.log_level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr
    )
    # uvicorn tells every connection, with the prompt in its URL; that is nobody's business.
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
    if settings.log_level != "debug":
        # Every pair of addresses that ICE tries, whose they are included.
        logging.getLogger("aioice").setLevel(logging.WARNING)
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    try:
        bundle = open_bundle(settings)
    except WinnowError as error:
        log.error("%s", error)
        raise SystemExit(3) from None
    server = uvicorn_server(settings, bundle)
    previous = signal.getsignal(signal.SIGTERM)
    # uvicorn raises the signal again when it is done; we have done all that it asked for, and return 0.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        server.run()
    except KeyboardInterrupt:
        log.info("stopped")
    finally:
        signal.signal(signal.SIGTERM, previous)
    if not server.started:
        raise SystemExit(3)
