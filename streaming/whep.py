"""WHEP (draft-ietf-wish-whep): listen to a track of any running session, however its sound came in.

    POST /v1/whep/ID/INDEX    an offer that receives → 201, answer, Location, ETag, Link

The session URL that it answers with is `whip`'s.
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from streaming.audience import Audience
from streaming.peers import Peers
from streaming.problem import Problem
from streaming.sdp_offer import read_offer
from streaming.signalling import SDP, Desk, Endpoint, check_accept, read_body
from streaming.whip import created

_NOT_YET_S = 1.0


class WhepDoor:
    """The methods of the URL.

    Args:
        peers: of the server.
        desk: judges who asks.
    """

    def __init__(self, peers: Peers, desk: Desk) -> None:
        self._peers, self._desk = peers, desk

    def routes(self) -> list[Route]:
        """What the application mounts."""
        methods = {"POST": self.play, "GET": self.look, "HEAD": self.look}
        endpoint = Endpoint(self._desk, methods, {"Accept-Post": SDP}, self._links)
        return [Route("/v1/whep/{session}/{track}", endpoint)]

    def _links(self, request: Request) -> list[str]:
        self._desk.admit(request, "listen")
        return self._peers.links()

    async def play(self, request: Request) -> Response:
        """A new viewer."""
        credentials = self._desk.admit(request, "listen")
        check_accept(request)
        runner = self._peers.session(request.path_params["session"], credentials.key)
        index = track_of(runner.audience, request.path_params["track"])
        offer = read_offer(await read_body(request, SDP))
        viewer, answer = await self._peers.play(runner, index, offer, credentials)
        return created(viewer, answer, self._peers.ice_servers(viewer.name))

    async def look(self, request: Request) -> Response:
        """Whether there is something to play: what the draft calls discovery."""
        credentials = self._desk.admit(request, "listen")
        runner = self._peers.session(request.path_params["session"], credentials.key)
        track_of(runner.audience, request.path_params["track"])
        return Response(None, 200, {"Content-Type": SDP})


def track_of(audience: Audience, name: str) -> int:
    """The index of a track by the end of a URL: its index, or its name's last word where that means one.

    Raises:
        Problem: 409 not yet, 404 no such track.
    """
    if audience.started is None and not audience.closed:
        detail = "the session has not started; there is nothing to play yet"
        raise Problem(409, "nothing_to_play", detail, retry_after_s=_NOT_YET_S)
    if name.isascii() and name.isdecimal() and len(name) < 10 and int(name) in audience.tracks:
        return int(name)
    named = [index for index, track in audience.tracks.items() if track["name"].rpartition("/")[2] == name]
    if len(named) != 1:
        raise Problem(404, "no_track", f"there is no track {name[:40]!r}", tracks=list(audience.tracks.values()))
    return named[0]
