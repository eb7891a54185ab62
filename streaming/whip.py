"""WHIP (RFC 9725): publish sound by one POST; and the session URLs that WHIP and WHEP share.

POST   /v1/whip?prompt=…      an offer → 201, answer, Location, ETag, Link
PATCH  /v1/sessions/HANDLE    trickled candidates → 204
DELETE /v1/sessions/HANDLE    → 200
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from streaming.errors import BadMessage
from streaming.ice_servers import IceServer
from streaming.peers import Peers
from streaming.problem import Problem
from streaming.rtc_publisher import Publisher, Wish, check_publish
from streaming.rtc_resource import Resource
from streaming.sdp_fragment import read_fragment
from streaming.sdp_offer import read_offer, unusable
from streaming.signalling import FRAGMENT, SDP, Desk, Endpoint, check_accept, read_body
from streaming.tokens import Scope

_FIELDS = ("prompt", "output", "model", "channels")
_LONGEST_PROMPT = 2000


class WhipDoor:
    """The methods of both URLs.

    Args:
        peers: of the server.
        desk: judges who asks.
    """

    def __init__(self, peers: Peers, desk: Desk) -> None:
        self._peers, self._desk = peers, desk

    def routes(self) -> list[Route]:
        """What the application mounts."""
        reserved = {"GET": nothing, "HEAD": nothing}
        publish = Endpoint(self._desk, {"POST": self.publish, **reserved}, {"Accept-Post": SDP}, self._links)
        methods = {"PATCH": self.trickle, "DELETE": self.delete, "GET": self.look, "HEAD": self.look}
        session = Endpoint(self._desk, methods, {"Accept-Patch": FRAGMENT})
        return [Route("/v1/whip", publish), Route("/v1/sessions/{handle}", session)]

    def _links(self, request: Request) -> list[str]:
        self._desk.admit(request, "publish")
        return self._peers.links()

    async def publish(self, request: Request) -> Response:
        """A new session."""
        credentials = self._desk.admit(request, "publish")
        check_accept(request)
        wish = read_wish(request.url.query)
        offer = read_offer(await read_body(request, SDP))
        check_publish(offer)
        publisher, answer = await self._peers.publish(offer, wish, credentials)
        return created(publisher, answer, self._peers.ice_servers(publisher.name))

    def _resource(self, request: Request) -> Resource:
        resource = self._peers.resource(request.path_params["handle"])
        scope: Scope = "publish" if isinstance(resource, Publisher) else "listen"
        # Its token may have expired since: it has had its session, and this is it.
        credentials = self._desk.admit(request, scope, resumes=True)
        if credentials.key != resource.key:
            raise Problem(404, "no_session", "there is no such session")
        return resource

    async def trickle(self, request: Request) -> Response:
        """More candidates of the client."""
        resource = self._resource(request)
        body = await read_body(request, FRAGMENT)
        wanted = request.headers.get("if-match")
        if wanted is None:
            raise Problem(428, "if_match_missing", "say If-Match with the ETag of the session")
        fragment = read_fragment(body)
        restart = resource.peer.is_restart(fragment)
        if wanted.strip() != "*" and resource.etag not in (tag.strip() for tag in wanted.split(",")):
            raise Problem(412, "etag_stale", "If-Match is not the ETag of this session")
        if restart:
            # RFC 9725: the session that runs goes on until consent expires.
            raise unusable("ICE cannot be restarted here; publish or play again")
        resource.peer.add_candidates(fragment)
        return Response(None, 204)

    async def delete(self, request: Request) -> Response:
        """The end."""
        await self._resource(request).end("the client ended it")
        return Response(None, 200)

    async def look(self, request: Request) -> Response:
        """Whether it is still there."""
        return Response(None, 204, {"ETag": self._resource(request).etag})


async def nothing(request: Request) -> Response:
    """GET and HEAD are reserved by RFC 9725: a success without a body."""
    return Response(None, 204)


def created(resource: Resource, answer: str, servers: Sequence[IceServer]) -> Response:
    """201 with everything that the RFC wants in it."""
    response = Response(answer, 201, media_type=SDP)
    response.headers["Location"] = f"/v1/sessions/{resource.handle}"
    response.headers["ETag"] = resource.etag
    # For people: the name may be given to listeners and be told to support, the URL may not.
    response.headers["ID"] = resource.name
    for server in servers:
        response.headers.append("Link", server.link())
    return response


def read_wish(query: str) -> Wish:
    """What a WHIP URL asks for.

    Raises:
        BadMessage: a parameter is unknown, comes twice, or is wrong; names it.
    """
    found: dict[str, Any] = {}
    for name, value in parse_qsl(query, keep_blank_values=True, max_num_fields=32, errors="replace"):
        if name not in _FIELDS:
            raise BadMessage(name[:80], f"one of {', '.join(_FIELDS)}", value)
        if name in found:
            raise BadMessage(name, "one value", "several")
        found[name] = value
    if len(found.get("prompt", "")) > _LONGEST_PROMPT:
        raise BadMessage("prompt", f"at most {_LONGEST_PROMPT} characters", f"{len(found['prompt'])}")
    if found.get("output", "target") not in ("target", "residual"):
        raise BadMessage("output", "target or residual", found["output"])
    channels = found.pop("channels", None)
    if channels not in (None, "1", "2"):
        raise BadMessage("channels", "1 or 2", channels)
    return Wish(**found, channels=int(channels) if channels else None)
