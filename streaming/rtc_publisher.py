"""A peer's session: what joins the session, its sound and its connection.

    RTP ─► AudioReceiver ─► PeerLink ─► Runner ─► engine ─► audience ─► TrackSound ─► PeerLines ─► RTP
    data channel ◄────────► PeerLink ◄► Runner

The session is one like any other: same runner, same limits, same messages.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from aiortc import RTCDataChannel

from engine.frames import Samples
from streaming.auth import Credentials
from streaming.errors import Close, Refusal
from streaming.peer_link import PeerLink
from streaming.problem import Problem
from streaming.rtc_audio_in import AudioReceiver, ReceiveSettings, ReceiveStats
from streaming.rtc_lines import PeerLines
from streaming.rtc_peer import Direction
from streaming.rtc_picture import PictureRelay
from streaming.rtc_resource import PeerMaker, Resource
from streaming.rtc_track import coding_of
from streaming.runner import Runner
from streaming.sdp_offer import Offer, Section, unusable

if TYPE_CHECKING:
    from streaming.live_server import LiveServer

log = logging.getLogger("winnow.streaming.webrtc")

_START_WITHIN_S = 5.0
_LAST_WORDS_S = 1.0
"""How long a peer may take to read the last texts before its connection is closed."""
_LOOK_EVERY_S = 0.05


@dataclass(frozen=True, slots=True)
class Wish:
    """What the URL of a WHIP request asks for.

    Attributes:
        prompt: what to keep; None: a `start` over the data channel will say it.
        output: what goes back on the first line.
        model: bundle name.
        channels: 1 or 2; None: as the offer says.
    """

    prompt: str | None = None
    output: Literal["target", "residual"] = "target"
    model: str = "default"
    channels: int | None = None

    def start(self) -> dict[str, Any]:
        """The `start` message that says the same. Both tracks are there, for whoever listens."""
        return {
            "type": "start",
            "targets": [{"id": "target", "prompt": self.prompt}],
            "return": ["target", "residual"],
            "model": self.model,
        }


class Publisher(Resource):
    """One peer that sends sound; see the module.

    Args:
        server: admits the session, owns the worker.
        offer: good for `check_publish`.
        wish: what the URL asks for.
        credentials: of the client.
        make_peer: gives it a connection.
        gone: told once that everything is over.
    """

    def __init__(
        self, server: LiveServer, offer: Offer, wish: Wish, credentials: Credentials, make_peer: PeerMaker,
        gone: Callable[[Publisher], None],
    ) -> None:  # fmt: skip
        self._server, self._settings, self._wish, self._gone = server, server.settings, wish, gone
        channels = wish.channels or (2 if offer.stereo else 1)
        self.link = PeerLink(channels, server.settings.message_bytes, self._completed, self._session_over)
        self.runner = Runner(self.link, server, credentials.key, None, credentials.grant)
        self.link.attach(self.runner)
        super().__init__(self.runner.name, credentials.key, offer)
        self.receiver: AudioReceiver | None = None
        self.picture: PictureRelay | None = None
        self._channels = channels
        self._make_peer = make_peer
        self._coding = coding_of(server.settings)
        self._lines = PeerLines(offer, wish.output, self._coding)
        self._tasks: set[asyncio.Task[None]] = set()
        self._connected_s: float | None = None
        self._ended = False

    # --- life -------------------------------------------------------------------------------------------------

    async def open(self) -> str:
        """See `Resource`."""
        self._spawn(self._run())
        try:
            if self._wish.prompt is not None:
                self.link.begin(self._wish.start())
                async with asyncio.timeout(_START_WITHIN_S):
                    await self.link.started
            self.peer = self._make_peer(self.name, self._lost)
            self.peer.connection.on("datachannel", self._on_channel)
            await self.peer.take(self.offer, [self._direction(one) for one in self.offer.sections], stereo=self._stereo)
            self._listen()
            return await self.peer.answer()
        except TimeoutError:
            await self.end("the session did not start in time")
            raise Problem(503, "no_capacity", "the session did not start in time", retry_after_s=1.0) from None
        except BaseException:
            await self.end("the session could not be opened")
            raise

    @property
    def _stereo(self) -> bool:
        return self._channels == 2

    async def _run(self) -> None:
        """The session's life, to the last word and the closing of the connection."""
        watch = asyncio.create_task(self._watch())
        try:
            await self.runner.run()
            await self._let_read()
        finally:
            watch.cancel()
            await self._close()

    async def _close(self) -> None:
        self._lines.stop()
        if self.receiver is not None:
            self.receiver.close()
        if self.picture is not None:
            self.picture.close()
        if hasattr(self, "peer"):
            await self.peer.close()
        if not self._ended:
            self._ended = True
            self._gone(self)

    async def _let_read(self) -> None:
        """Wait until the peer has read what was said, where it reads at all."""
        for _ in range(int(_LAST_WORDS_S / _LOOK_EVERY_S)):
            if self.link.said:
                break
            await asyncio.sleep(_LOOK_EVERY_S)

    def _session_over(self) -> None:
        error = self.link.error
        self.reason = self.reason or (str(error["message"]) if error is not None else "the session has ended")

    def _lost(self, reason: str) -> None:
        """The connection is over, or never was."""
        self.reason = self.reason or reason
        if not self.peer.connected:
            self._server.metrics.refused.labels("webrtc_not_connected").inc()
        log.info("session %s: %s", self.name, reason)
        self.runner.on_lost()

    async def end(self, reason: str) -> None:
        """See `Resource`."""
        self.reason = self.reason or reason
        self.runner.on_lost()
        while self._tasks:
            await asyncio.wait(self._tasks)

    def _spawn(self, work: Any) -> None:
        task = asyncio.create_task(work, name=f"session {self.name}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _watch(self) -> None:
        """End a session whose peer is connected and sends nothing: what is missing is concealed, and sounds alive."""
        limit_s, loop = self._settings.idle_s, asyncio.get_running_loop()
        while True:
            await asyncio.sleep(min(1.0, limit_s / 4))
            if self.receiver is None or not self.peer.connected:
                continue
            self.link.connecting = False
            if self._connected_s is None:
                self._connected_s = loop.time()
            idle_s = self.receiver.stats().idle_s
            silent_s = loop.time() - self._connected_s if idle_s is None else idle_s
            if min(silent_s, loop.time() - self.link.heard_s) > limit_s:
                message = f"no sound came for {limit_s:g} s"
                self.runner.refuse(Refusal("idle", message, Close.TIMED_OUT, retryable=True))

    # --- lines ------------------------------------------------------------------------------------------------

    def _direction(self, section: Section) -> Direction:
        """What we do with a section of the offer."""
        audio = self.offer.of("audio")
        takes = section.sends and section in (audio[0], *self.offer.of("video")[:1])
        gives = section.receives
        return ("sendrecv" if gives else "recvonly") if takes else ("sendonly" if gives else "inactive")

    def _listen(self) -> None:
        """Take the peer's sound and picture, put our tracks on its lines."""
        self._lines.put_on(self.peer)
        sound = self.offer.of("audio")[0]
        from_peer = self.peer.lines[sound.index].receiver
        self.receiver = AudioReceiver(self._hear, ReceiveSettings(channels=self._channels))
        self.receiver.attach(from_peer)
        pictures = [section for section in self.offer.of("video") if section.sends]
        if pictures:
            line = self.peer.lines[pictures[0].index]
            self.picture = PictureRelay(
                pictures[0].codec, line.receiver, from_peer, self.receiver, self.runner.audience, self._coding
            )
            if pictures[0].receives:
                self.picture.show(line.sender)

    def _hear(self, samples: Samples, pts: int) -> None:
        if self.picture is not None:
            self.picture.sound_came(pts + samples.shape[1])
        self.link.hear(samples, pts)

    def _completed(self, message: dict[str, Any]) -> dict[str, Any]:
        """A text on its way to the peer, with what only this side knows."""
        if message["type"] in ("started", "updated"):
            return {**message, "tracks": self._lines.carry(message["tracks"], self.runner.audience)}
        if message["type"] == "stats" and self.receiver is not None:
            return {**message, "network": network_stats(self.receiver.stats())}
        return message

    def _on_channel(self, channel: RTCDataChannel) -> None:
        self.link.open_channel(channel)


def network_stats(stats: ReceiveStats) -> dict[str, Any]:
    """The member `network` of `stats`."""
    return {
        "jitter_ms": round(stats.jitter_ms, 2),
        "hold_ms": round(stats.hold_ms, 2),
        "received": stats.received,
        "lost": stats.lost,
        "late": stats.late,
        "concealed_ms": round(stats.concealed_ms, 1),
        "drift_ppm": round(stats.drift_ppm, 1),
    }


def check_publish(offer: Offer) -> None:
    """Whether an offer publishes something that we can work on (RFC 9725: whole or not at all).

    Raises:
        Problem: 422.
    """
    audio, video = offer.of("audio"), offer.of("video")
    if not audio:
        raise unusable("there is no sound in the offer: an m=audio line that sends")
    if not audio[0].sends:
        raise unusable("the first m=audio line must send (sendonly or sendrecv)")
    if any(section.sends and not section.receives for section in audio[1:]):
        raise unusable("one m=audio line may send; further ones receive")
    if len(video) > 1:
        raise unusable("at most one m=video line")
    if len(offer.of("application")) > 1:
        raise unusable("at most one data channel line")
