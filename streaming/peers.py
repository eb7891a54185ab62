"""All peers of one server: who publishes, who listens, under which URL, and what became of those that are gone."""

from __future__ import annotations

import asyncio
import hmac
import logging
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable

from streaming import aiortc_inside, aiortc_picture
from streaming.auth import Credentials
from streaming.errors import no_capacity
from streaming.ice_servers import IceServer, IceServers
from streaming.live_server import LiveServer
from streaming.problem import Problem
from streaming.rtc_metrics import PeerMetrics
from streaming.rtc_peer import Peer
from streaming.rtc_publisher import Publisher, Wish
from streaming.rtc_resource import Resource
from streaming.rtc_track import coding_of
from streaming.rtc_viewer import Viewer, check_play
from streaming.runner import Runner
from streaming.sdp_offer import Offer

log = logging.getLogger("winnow.streaming.webrtc")

_REMEMBERED = 1024
"""Sessions that are over, and why; a client that comes back is told."""


class Peers:
    """See the module.

    Args:
        server: whose sessions these are.
        wall_clock: seconds since 1970, by which TURN passwords expire.
    """

    def __init__(self, server: LiveServer, wall_clock: Callable[[], float] = time.time) -> None:
        self._server, self._settings, self._wall_clock = server, server.settings, wall_clock
        settings = server.settings
        secret = settings.turn_secret.get_secret_value().encode() if settings.turn_secret is not None else b""
        self._ice = IceServers(settings.ice_servers, secret, settings.turn_ttl_s)
        self.publishers: dict[str, Publisher] = {}
        self.viewers: dict[str, Viewer] = {}
        self.metrics = PeerMetrics(server.metrics.registry, self)
        self._over: OrderedDict[str, str] = OrderedDict()

    def start(self) -> None:
        """Warn where aiortc is not what our changes to its insides were written against."""
        try:
            moved = [*aiortc_inside.check(), *aiortc_picture.check()]
        except OSError as error:  # installed without its source
            moved = [str(error)]
        if moved:
            log.warning("WebRTC may not work, aiortc has changed: %s", "; ".join(moved))

    def ice_servers(self, name: str) -> list[IceServer]:
        """STUN and TURN servers for one session, with fresh passwords."""
        return self._ice.minted(name, self._wall_clock())

    def links(self) -> list[str]:
        """The same as `Link` headers, for a client that has no session yet."""
        return [server.link() for server in self.ice_servers(secrets.token_urlsafe(6))]

    def _new_peer(self, name: str, over: Callable[[str], None]) -> Peer:
        settings = self._settings
        servers = [] if settings.ice_gather == "host" else self.ice_servers(name)
        relay_only = settings.ice_gather == "relay"
        return Peer(name, servers, relay_only=relay_only, connect_s=settings.connect_s, over=over)

    # --- opening ----------------------------------------------------------------------------------------------

    async def publish(self, offer: Offer, wish: Wish, credentials: Credentials) -> tuple[Publisher, str]:
        """A new session of a peer, and the SDP of the answer.

        Raises:
            Problem: why not.
            Refusal: the server is full, or being stopped.
        """
        self._server.welcome()
        if len(self.publishers) >= self._settings.max_sessions:
            raise no_capacity(f"{self._settings.max_sessions} peers are connected", self._settings.retry_after_s)
        publisher = Publisher(self._server, offer, wish, credentials, self._new_peer, self._publisher_gone)
        self.publishers[publisher.name] = publisher
        return publisher, await publisher.open()

    async def play(self, runner: Runner, index: int, offer: Offer, credentials: Credentials) -> tuple[Viewer, str]:
        """A new viewer of a track, and the SDP of the answer; errors as `publish`."""
        self._server.welcome()
        if len(self.viewers) >= self._settings.max_viewers:
            raise no_capacity(f"{self._settings.max_viewers} viewers are connected", self._settings.retry_after_s)
        publisher = self.publishers.get(runner.name)
        picture = publisher.picture if publisher is not None else None
        offer = check_play(offer, picture.codec if picture is not None else None)
        coding = coding_of(self._settings)
        viewer = Viewer(runner, index, offer, credentials.key, coding, picture, self._new_peer, self._viewer_gone)
        self.viewers[viewer.name] = viewer
        return viewer, await viewer.open()

    def _publisher_gone(self, publisher: Publisher) -> None:
        self.metrics.keep(publisher)
        if self.publishers.pop(publisher.name, None) is not None:
            self._remember(publisher)

    def _viewer_gone(self, viewer: Viewer) -> None:
        if self.viewers.pop(viewer.name, None) is not None:
            self._remember(viewer)

    def _remember(self, resource: Resource) -> None:
        self._over[resource.handle] = resource.reason or "it has ended"
        if len(self._over) > _REMEMBERED:
            self._over.popitem(last=False)

    # --- finding ----------------------------------------------------------------------------------------------

    def resource(self, handle: str) -> Resource:
        """What a session URL stands for.

        Raises:
            Problem: 404, with the reason where it was there once.
        """
        name, _, secret = handle.partition(".")
        found: Resource | None = self.publishers.get(name) or self.viewers.get(name)
        reason = self._over.get(handle)
        if found is not None and hmac.compare_digest(found.secret.encode(), secret.encode()):
            if found.reason is None:
                return found
            reason = found.reason  # it is being closed
        if reason is not None:
            raise Problem(404, "session_over", f"this session is over: {reason}")
        raise Problem(404, "no_session", "there is no such session")

    def session(self, name: str, key: str) -> Runner:
        """A running session by its public name, or by the last part of its URL.

        Raises:
            Problem: 404, none of this name that this key may hear.
        """
        runner = self._server.sessions.get(name.partition(".")[0])
        if runner is None or runner.key != key:
            raise Problem(404, "no_session", "there is no such session")
        return runner

    # --- the end ----------------------------------------------------------------------------------------------

    async def stop(self) -> None:
        """End everybody; returns once all connections are closed."""
        everybody: list[Resource] = [*self.viewers.values(), *self.publishers.values()]
        if everybody:
            await asyncio.gather(*(one.end("the server stops") for one in everybody), return_exceptions=True)
