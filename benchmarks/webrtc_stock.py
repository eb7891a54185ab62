"""Stock aiortc as its examples use it: a WHIP endpoint that sends a publisher's sound back, nothing of ours in it.

What `benchmarks.webrtc_loopback` measures beside our server: `python -m benchmarks.webrtc_stock PORT`.
"""

from __future__ import annotations

import argparse
import asyncio
from typing import Any

import uvicorn
from aiortc import MediaStreamTrack, RTCPeerConnection, RTCSessionDescription
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from export.command_line import whole


class Echo(MediaStreamTrack):
    """Gives back what another track receives."""

    kind = "audio"

    def __init__(self, source: MediaStreamTrack) -> None:
        super().__init__()
        self._source = source

    async def recv(self) -> Any:
        """The next frame."""
        return await self._source.recv()


_peers: set[RTCPeerConnection] = set()


async def publish(request: Request) -> Response:
    """One peer."""
    peer = RTCPeerConnection()
    _peers.add(peer)
    peer.on("track", lambda track: peer.addTrack(Echo(track)))

    async def on_state() -> None:
        if peer.connectionState in ("failed", "closed"):
            _peers.discard(peer)
            await peer.close()

    peer.on("connectionstatechange", on_state)
    await peer.setRemoteDescription(RTCSessionDescription((await request.body()).decode(), "offer"))
    await peer.setLocalDescription(await peer.createAnswer())
    location = {"Location": f"/v1/sessions/{id(peer)}"}
    return Response(peer.localDescription.sdp, 201, location, "application/sdp")


async def delete(request: Request) -> Response:
    """The end of a peer."""
    for peer in tuple(_peers):
        if str(id(peer)) == request.path_params["name"]:
            _peers.discard(peer)
            await peer.close()
    return Response()


async def ready(request: Request) -> Response:
    """It listens."""
    return Response("ok")


def main() -> None:
    """Serve."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("port", type=whole(1, 65535), metavar="PORT", help="of 127.0.0.1, where it listens")
    port = parser.parse_args().port
    routes = [
        Route("/v1/whip", publish, methods=["POST"]),
        Route("/v1/sessions/{name}", delete, methods=["DELETE"]),
        Route("/readyz", ready),
    ]
    config = uvicorn.Config(Starlette(routes=routes), port=port, log_level="warning")
    asyncio.run(uvicorn.Server(config).serve())


if __name__ == "__main__":
    main()
