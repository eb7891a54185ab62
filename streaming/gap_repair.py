"""What a lost packet harms, mended: the gap itself, and the packets after it.

After a loss an Opus decoder is wrong for longer than the gap. CELT codes the energies of a frame as changes against the
frame before, and what libopus assumes for a lost frame is a guess: the frames after it come out too soft or too loud
for 0.1 s, which in the sum is worse than the gap. So once the gap has been rebuilt from both sides
(`streaming.concealment`), it is coded by an encoder of ours and *taught* to the decoder in place of the packet that was
lost; then the following packet is decoded again, now against energies that are nearly right.
"""

from __future__ import annotations

import numpy as np

from engine.frames import Samples
from streaming import opus
from streaming.concealment import Bridge

_TAUGHT = (480, 960)
"""Packet lengths in samples that our encoder writes."""
_MOST_TAUGHT = 2
"""Lost packets in a row; what is rebuilt of more is too far from the truth to learn from."""
_PRIMING = 2
"""Frames that the encoder hears before the gap, so that its overlap and its energies are those of the stream."""


class GapRepair:
    """Repairs what one decoder lost.

    Args:
        decoder: has decoded all that `bridge` heard.
        bridge: remembers it.
    """

    def __init__(self, decoder: opus.OpusDecoder, bridge: Bridge) -> None:
        self._decoder, self._bridge = decoder, bridge
        self._encoders: dict[tuple[int, int], opus.OpusEncoder] = {}

    def repair(self, count: int, following: bytes) -> tuple[Samples, Samples]:
        """The `count` lost samples (a multiple of 120, at most 60 ms), and the packet after them, decoded.

        Raises:
            BadPacket: `following` is damaged; the decoder has concealed `count` samples.
        """
        length = opus.packet_samples(following)
        teachable = (
            opus.is_transform_coded(following) and length in _TAUGHT and count in (length, _MOST_TAUGHT * length)
        )
        before = self._decoder.snapshot() if teachable else b""
        guess = self._decoder.conceal(count)
        after = self._decoder.decode(following)
        gap, mended = self._bridge.build(guess, after)
        if not teachable or gap is guess:
            return gap, mended
        packets = self._coded(
            np.concatenate([self._bridge.heard, gap, mended], axis=1), count, mended.shape[1], following
        )
        if not all(opus.is_transform_coded(packet) for packet in packets):
            return gap, mended
        self._decoder.restore(before)
        taught = np.concatenate([self._decoder.decode(packet) for packet in packets], axis=1)
        return self._bridge.build(taught, self._decoder.decode(following))

    def _coded(self, line: Samples, count: int, behind: int, following: bytes) -> list[bytes]:
        """The packets whose decoding gives `line` in the gap, which ends `behind` samples before its end."""
        length = opus.packet_samples(following)
        encoder = self._encoder(2 if opus.is_stereo(following) else 1, length)
        if encoder.settings.channels == 1:
            line = line.mean(axis=0, keepdims=True, dtype=np.float32)
        elif line.shape[0] == 1:
            line = np.repeat(line, 2, axis=0)
        # What a decoder gives is `lookahead` samples behind what went in.
        begin = line.shape[1] - behind - count + encoder.lookahead
        encoder.reset()
        for at in range(begin - _PRIMING * length, begin, length):
            encoder.encode(line[:, at : at + length])
        return [encoder.encode(line[:, at : at + length]) for at in range(begin, begin + count, length)]

    def _encoder(self, channels: int, length: int) -> opus.OpusEncoder:
        """Made when the first packet is lost: most streams never need one."""
        found = self._encoders.get((channels, length))
        if found is None:
            # With so much loss expected, no frame of it leans on the one before.
            settings = opus.OpusSettings(
                channels=channels, frame_ms=length * 1000 // opus.RATE, bitrate=64_000 * channels,
                expected_loss_percent=100,
            )  # fmt: skip
            found = self._encoders[channels, length] = opus.OpusEncoder(settings)
        return found
