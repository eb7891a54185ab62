"""A repaired gap leaves the packets after it nearly right, which concealment alone does not."""

from __future__ import annotations

import numpy as np
import pytest

from engine.frames import Samples
from engine.score import si_sdr_db
from streaming.concealment import Bridge
from streaming.gap_repair import GapRepair
from streaming.opus import RATE, BadPacket, OpusDecoder, OpusEncoder, OpusSettings
from streaming.scene import load_scene

FIRST = 10


def speech(channels: int = 1) -> Samples:
    """A second of the demo scene's voice."""
    stems = {stem.name: stem.samples for stem in load_scene().stems}
    return np.repeat(stems["man-speaking"][:, 6 * RATE : 9 * RATE], channels, axis=0)


def packets(sound: Samples, settings: OpusSettings) -> list[bytes]:
    """Coded."""
    encoder, frame = OpusEncoder(settings), settings.frame
    return [encoder.encode(sound[:, at : at + frame]) for at in range(0, sound.shape[1] - frame + 1, frame)]


def after_a_loss(coded: list[bytes], lost: int, channels: int, first: int) -> tuple[Samples, Samples, Samples]:
    """Sound from the gap on to 8 packets after it: as it should be, concealed, and repaired."""
    whole, plain, mended, bridge = OpusDecoder(channels), OpusDecoder(channels), OpusDecoder(channels), Bridge()
    for packet in coded[:first]:
        whole.decode(packet)
        plain.decode(packet)
        bridge.remember(mended.decode(packet))
    length = bridge._heard[-1].shape[1]
    rest = coded[first + lost : first + lost + 8]
    expected = [whole.decode(packet) for packet in coded[first : first + lost + 8]]
    concealed = [plain.conceal(length) for _ in range(lost)] + [plain.decode(packet) for packet in rest]
    gap, after = GapRepair(mended, bridge).repair(lost * length, rest[0])
    repaired = [gap, after, *(mended.decode(packet) for packet in rest[1:])]
    together = [np.concatenate(pieces, axis=1) for pieces in (expected, concealed, repaired)]
    assert together[0].shape == together[1].shape == together[2].shape
    return together[0], together[1], together[2]


@pytest.mark.parametrize("lost", [1, 2])
@pytest.mark.parametrize("frame_ms", [10, 20])
@pytest.mark.parametrize("coded_channels", [1, 2])
def test_after_a_loss_speech_is_sooner_right_again(lost: int, frame_ms: int, coded_channels: int) -> None:
    """A sender that expects no loss, whose frames lean on the ones before; heard in stereo."""
    settings = OpusSettings(
        channels=coded_channels, frame_ms=frame_ms, application="audio", expected_loss_percent=0, bitrate=96_000
    )
    coded = packets(speech(coded_channels), settings)
    # 12 losses, one after the other as one sound: a single one may go either way.
    runs = [after_a_loss(coded, lost, 2, first) for first in range(FIRST, FIRST + 120, 10)]
    expected, concealed, repaired = (np.concatenate(pieces, axis=1) for pieces in zip(*runs, strict=True))
    assert si_sdr_db(repaired, expected) > si_sdr_db(concealed, expected) + (0.5 if lost == 1 else 0.3)


def test_what_cannot_be_taught_is_still_bridged() -> None:
    """SILK has other memories than CELT's energies: the decoder keeps its own."""
    settings = OpusSettings(channels=1, application="voip", bitrate=16_000)
    coded = packets(speech(), settings)
    expected, concealed, repaired = after_a_loss(coded, 1, 1, FIRST)
    assert concealed.shape == repaired.shape
    silenced = expected.copy()
    silenced[:, :960] = 0.0
    assert si_sdr_db(repaired, expected) > si_sdr_db(silenced, expected)


def test_with_nothing_heard_before_the_guess_stays() -> None:
    coded = packets(speech(), OpusSettings(channels=1))
    gap, after = GapRepair(OpusDecoder(1), Bridge()).repair(960, coded[10])
    assert gap.shape == after.shape == (1, 960)


def test_a_damaged_packet_is_told() -> None:
    with pytest.raises(BadPacket):
        GapRepair(OpusDecoder(1), Bridge()).repair(960, bytes([0xF1]) + b"\xff" * 5)
