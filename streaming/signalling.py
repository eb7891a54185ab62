"""The HTTP side of WHIP and WHEP alike: methods, CORS, who may, how often, bodies, and problems.

An `Endpoint` is one URL; its methods raise `Problem` or `Refusal`, and answer otherwise.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Awaitable, Callable, Mapping, Sequence

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from streaming import tokens
from streaming.auth import Credentials, check_origin
from streaming.errors import Refusal, Unauthorised
from streaming.live_server import LiveServer
from streaming.problem import Problem, problem_of
from streaming.rate_limit import RateLimit
from streaming.sdp_offer import SDP_BYTES

log = logging.getLogger("winnow.streaming.webrtc")

SDP = "application/sdp"
FRAGMENT = "application/trickle-ice-sdpfrag"
_PREFLIGHT_S = 600
_EXPOSED = "Location, ETag, Link, ID, Retry-After, WWW-Authenticate"
_CHANGES = ("POST", "PATCH", "DELETE")

Method = Callable[[Request], Awaitable[Response]]


class Desk:
    """What all endpoints share: who may ask, and how often.

    Args:
        server: whose keys and settings count.
    """

    def __init__(self, server: LiveServer) -> None:
        self._server = server
        settings = server.settings
        self._rate = RateLimit(settings.signalling_per_s, settings.signalling_burst, server.clock)

    def slow_down(self, request: Request) -> None:
        """Count a request that changes something.

        Raises:
            Problem: 429, too many from this address.
        """
        wait_s = self._rate.wait_s(request.client.host if request.client is not None else "")
        if wait_s:
            detail = f"too many requests from this address; wait {math.ceil(wait_s)} s"
            raise Problem(429, "too_many_requests", detail, retry_after_s=wait_s)

    def admit(self, request: Request, scope: tokens.Scope, *, resumes: bool = False) -> Credentials:
        """Who asks. An API key may come as `Bearer` too: WHIP clients have no other word for it.

        Raises:
            Refusal: nobody that we know, or not for this.
        """
        gate, authorization = self._server.gate, request.headers.get("authorization")
        try:
            return gate.judge(scope, authorization, resumes=resumes)
        except Unauthorised:
            scheme, _, value = (authorization or "").strip().partition(" ")
            if scheme.lower() != "bearer" or not gate.keys:
                raise
            try:
                return Credentials(gate.keys.admit(value.strip()))
            except Unauthorised:
                pass
            raise

    def origin_headers(self, request: Request) -> dict[str, str]:
        """CORS headers for the page that asks; none where it may not, or is no page.

        Raises:
            Refusal: `origin_refused`.
        """
        origin = request.headers.get("origin")
        if origin is None:
            return {}
        settings, keys = self._server.settings, self._server.gate.keys
        if "*" not in settings.allowed_origins:
            check_origin(origin, request.headers.get("host"), settings.allowed_origins, keyless=not keys)
        return {"Access-Control-Allow-Origin": origin, "Vary": "Origin", "Access-Control-Expose-Headers": _EXPOSED}


class Endpoint:
    """One URL; an ASGI application.

    Args:
        desk: shared by all.
        methods: what it does.
        about: headers of its OPTIONS answer.
        links: further `Link` headers of it, for who may have them; a preflight gets none.
    """

    def __init__(
        self,
        desk: Desk,
        methods: Mapping[str, Method],
        about: Mapping[str, str],
        links: Callable[[Request], Sequence[str]] | None = None,
    ) -> None:
        self._desk, self._methods, self._about, self._links = desk, methods, dict(about), links
        self._allow = ", ".join([*methods, "OPTIONS"])

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        request = Request(scope, receive)
        headers: dict[str, str] = {}
        try:
            response = await self._answer(request, headers)
        except ClientDisconnect:
            return
        except Problem as problem:
            response = problem.response()
        except Refusal as refusal:
            response = problem_of(refusal).response()
        except Exception:
            log.exception("%s %s failed", request.method, request.url.path)
            response = Problem(500, "internal", "our fault; it has been logged").response()
        response.headers.update(headers)
        await response(scope, receive, send)

    async def _answer(self, request: Request, headers: dict[str, str]) -> Response:
        if request.method == "OPTIONS":
            return self._options(request)
        headers |= self._desk.origin_headers(request)
        method = self._methods.get(request.method)
        if method is None:
            detail = f"{request.method} is not done here; {self._allow} are"
            raise Problem(405, "method_not_allowed", detail, headers={"Allow": self._allow})
        if request.method in _CHANGES:
            self._desk.slow_down(request)
        return await method(request)

    def _options(self, request: Request) -> Response:
        """Preflight or plain: nobody needs a key to ask what there is."""
        try:
            origin = self._desk.origin_headers(request)
        except Refusal:
            # A browser that reads no permission here asks no further.
            origin = {"Vary": "Origin"}
        headers = {"Allow": self._allow, **self._about, **origin}
        if "Access-Control-Allow-Origin" in origin:
            headers["Access-Control-Allow-Methods"] = self._allow
            headers["Access-Control-Allow-Headers"] = "Authorization, Content-Type, If-Match"
            headers["Access-Control-Max-Age"] = str(_PREFLIGHT_S)
        response = Response(None, 204, headers)
        if self._links is not None and "access-control-request-method" not in request.headers:
            self._add_links(request, response)
        return response

    def _add_links(self, request: Request, response: Response) -> None:
        """A client that wants a relay needs to know of it before it can make an offer."""
        assert self._links is not None
        try:
            links = self._links(request)
        except Refusal:
            return
        for link in links:
            response.headers.append("Link", link)


async def read_body(request: Request, media_type: str) -> bytes:
    """The body of a request, bounded while it is read.

    Raises:
        Problem: 415 another media type, 413 too long.
    """
    found = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if found != media_type:
        accept = {"Accept-Patch" if media_type == FRAGMENT else "Accept-Post": media_type}
        raise Problem(415, "unsupported_media_type", f"the body is {media_type} here", headers=accept)
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > SDP_BYTES:
            raise Problem(413, "sdp_too_large", f"an SDP has at most {SDP_BYTES} bytes")
    return bytes(body)


def check_accept(request: Request) -> None:
    """Whether the client takes an SDP answer.

    Raises:
        Problem: 406.
    """
    accept = request.headers.get("accept")
    if accept is None:
        return
    kinds = {part.partition(";")[0].strip().lower() for part in accept.split(",")}
    if not kinds & {SDP, "application/*", "*/*", "*", ""}:
        raise Problem(406, "not_acceptable", f"the answer is {SDP}, and Accept leaves that out")
