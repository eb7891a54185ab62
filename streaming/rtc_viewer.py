"""A peer that listens to one track of a running session, and sees its picture where there is one.

any session's audience ─► TrackSound ─► RTP
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Sequence
from dataclasses import replace

from streaming.opus import OpusSettings
from streaming.rtc_peer import Direction
from streaming.rtc_picture import PictureRelay
from streaming.rtc_resource import PeerMaker, Resource
from streaming.rtc_track import sound_of
from streaming.runner import Runner
from streaming.sdp_offer import Offer, Section, unusable


class Viewer(Resource):
    """One peer that listens to a track of a running session.

    Args:
        runner: the session.
        index: of the track.
        offer: good for `check_play`.
        key: short name of the client's API key.
        coding: of the sound, where nobody hears the track yet.
        picture: of the session, where it has one.
        make_peer: gives it a connection.
        gone: told once that it is over.
    """

    def __init__(
        self, runner: Runner, index: int, offer: Offer, key: str, coding: OpusSettings, picture: PictureRelay | None,
        make_peer: PeerMaker, gone: Callable[[Viewer], None],
    ) -> None:  # fmt: skip
        super().__init__(secrets.token_urlsafe(9), key, offer)
        self.runner, self.index, self._coding = runner, index, coding
        self._picture, self._make_peer, self._gone = picture, make_peer, gone
        self._ending: asyncio.Task[None] | None = None

    async def open(self) -> str:
        """See `Resource`."""
        audience = self.runner.audience
        format_ = audience.format
        assert format_ is not None, "a session with tracks has a format"
        self.peer = self._make_peer(self.name, self._over)
        try:
            directions = [self._direction(section) for section in self.offer.sections]
            await self.peer.take(self.offer, directions, stereo=format_.channels == 2)
            self._show(directions)
            return await self.peer.answer()
        except BaseException:
            await self.end("it could not be opened")
            raise

    def _direction(self, section: Section) -> Direction:
        if section not in (*self.offer.of("audio")[:1], *self.offer.of("video")[:1]) or not section.receives:
            return "inactive"
        if section.kind == "video" and (self._picture is None or self._picture.codec != section.codec):
            return "inactive"
        return "sendonly"

    def _show(self, directions: Sequence[Direction]) -> None:
        sound = sound_of(self.runner.audience, self.index, self._coding)
        for section, direction in zip(self.offer.sections, directions, strict=True):
            if direction == "inactive" or section.kind == "application":
                continue
            sender = self.peer.lines[section.index].sender
            if section.kind == "audio":
                sender.replaceTrack(sound.subscribe())
            elif self._picture is not None:
                self._picture.show(sender)
        sound.when_over(lambda: self._over("the track has ended"))

    def _over(self, reason: str) -> None:
        if self._ending is None:
            self.reason = self.reason or reason
            self._ending = asyncio.create_task(self._close(), name=f"viewer {self.name}")

    async def _close(self) -> None:
        for line in self.peer.lines.values():
            if line.sender.track is not None:
                line.sender.track.stop()
        await self.peer.close()
        self._gone(self)

    async def end(self, reason: str) -> None:
        """See `Resource`."""
        self._over(reason)
        if self._ending is not None:
            await asyncio.shield(self._ending)


def check_play(offer: Offer, codec: str | None) -> Offer:
    """Whether an offer wants to hear something; the offer with the picture's codec chosen where it has it.

    Args:
        codec: of the session's picture, None where there is none.

    Raises:
        Problem: 422.
    """
    audio = offer.of("audio")
    if not audio or not audio[0].receives:
        raise unusable("there is nothing to play to: an m=audio line that receives")
    if any(section.sends and not section.receives for section in offer.sections if section.kind != "application"):
        raise unusable("a player receives; its m-lines are recvonly")
    if codec is None:
        return offer
    sections = tuple(
        replace(section, codec=codec) if section.kind == "video" and codec in section.codecs else section
        for section in offer.sections
    )
    return replace(offer, sections=sections)
