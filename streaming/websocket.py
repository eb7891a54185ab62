"""`/v1/live` as an ASGI application: accept, say who may not come in, then leave the socket to a `Runner`.

The WebSocket is accepted before anything is judged: a browser that is refused during the handshake sees neither the
reason nor a close code.
"""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.types import Receive, Scope, Send

from streaming.auth import Credentials, check_origin, choose_subprotocol
from streaming.errors import Refusal
from streaming.live_server import LiveServer
from streaming.live_socket import socket_of
from streaming.protocol import SessionRequest, parse_query
from streaming.runner import Runner


class LiveEndpoint:
    """See the module.

    Args:
        server: whose sessions these are.
    """

    def __init__(self, server: LiveServer) -> None:
        self._server = server

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One connection.

        Raises:
            RuntimeError: the ASGI server does not offer a `LiveSocket`.
        """
        socket = socket_of(scope)
        await receive()
        subprotocol, credentials, request, refusal = self._judge(scope)
        await send({"type": "websocket.accept", "subprotocol": subprotocol, "headers": []})
        runner = Runner(socket, self._server, credentials.key, request, credentials.grant)
        # No await since accepting: nothing of the client can have come in between.
        socket.attach(runner, self._server.settings.message_bytes)
        if refusal is not None:
            runner.refuse(refusal)
        await runner.run()

    def _judge(self, scope: Scope) -> tuple[str | None, Credentials, SessionRequest | None, Refusal | None]:
        """Subprotocol, who it is, raw request, and why not."""
        headers = Headers(scope=scope)
        settings, keys = self._server.settings, self._server.gate.keys
        subprotocol = None
        try:
            subprotocol = choose_subprotocol(scope.get("subprotocols", ()))
            check_origin(headers.get("origin"), headers.get("host"), settings.allowed_origins, keyless=not keys)
            offered = scope.get("subprotocols", ())
            credentials = self._server.gate.judge("live", headers.get("authorization"), offered, resumes=True)
            self._server.welcome()
            request = parse_query(scope["query_string"].decode("latin-1"))
        except Refusal as refusal:
            return subprotocol, Credentials(), None, refusal
        return subprotocol, credentials, request, None
