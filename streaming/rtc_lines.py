"""Which of a session's tracks goes back to its peer on which line of the connection.

A peer has as many lines as its offer receives sound on; a session's tracks come and go with its targets.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from streaming.audience import Audience
from streaming.opus import OpusSettings
from streaming.rtc_peer import Peer
from streaming.rtc_track import LineTrack, sound_of
from streaming.sdp_offer import Offer


class PeerLines:
    """See the module.

    Args:
        offer: of the peer.
        first: `residual` puts the residual on the first line.
        coding: of what is sent.
    """

    def __init__(self, offer: Offer, first: str, coding: OpusSettings) -> None:
        self._first, self._coding = first, coding
        self._lines = {section.index: LineTrack() for section in offer.of("audio") if section.receives}
        self._mids = {index: offer.sections[index].mid for index in self._lines}
        self._carried: dict[int, int] = {}
        """Line → track."""

    def put_on(self, peer: Peer) -> None:
        """Have a connection send what the lines carry."""
        for index, line in self._lines.items():
            peer.lines[index].sender.replaceTrack(line)

    def carry(self, tracks: Sequence[dict[str, Any]], audience: Audience) -> list[dict[str, Any]]:
        """Put tracks on lines: those that are there stay, new ones take free lines, those that are gone leave.

        Args:
            tracks: as `started` and `updated` list them.
            audience: of the session.

        Returns:
            the tracks, each with the `mid` of its line; None where it has none.
        """
        there = {track["index"] for track in tracks}
        for line in [line for line, track in self._carried.items() if track not in there]:
            del self._carried[line]
            self._lines[line].carry(None)
        free = [line for line in sorted(self._lines) if line not in self._carried]
        coming = [index for index in in_order(tracks, self._first) if index not in self._carried.values()]
        for line, index in zip(free, coming, strict=False):
            self._carried[line] = index
            self._lines[line].carry(sound_of(audience, index, self._coding).subscribe())
        mids = {index: self._mids[line] for line, index in self._carried.items()}
        return [{**track, "mid": mids.get(track["index"])} for track in tracks]

    def stop(self) -> None:
        """End every line."""
        for line in self._lines.values():
            line.stop()


def in_order(tracks: Sequence[dict[str, Any]], first: str) -> list[int]:
    """Indices of tracks in the order in which they take lines: first target, residual, then the other targets.

    Args:
        tracks: as `started` lists them.
        first: `residual` puts the residual before all.
    """
    targets = [track["index"] for track in tracks if track["name"] != "residual"]
    residual = [track["index"] for track in tracks if track["name"] == "residual"]
    return residual + targets if first == "residual" else targets[:1] + residual + targets[1:]
