"""A gap rebuilt from both sides is nearer to what was lost than silence and than the decoder's guess."""

from __future__ import annotations

import numpy as np
import pytest

from engine.frames import Samples
from engine.score import si_sdr_db
from streaming.concealment import LONGEST_BRIDGE, Bridge, most_likely
from streaming.opus import OpusDecoder, OpusEncoder, OpusSettings

RATE = 48_000
FRAME = 960


def chord(seconds: float = 0.4) -> Samples:
    """Stereo, three notes with overtones, slowly swelling."""
    time_s = np.arange(int(seconds * RATE)) / RATE
    rows = []
    for shift in (1.0, 1.01):
        notes = [np.sin(2 * np.pi * shift * base * k * time_s) / k for base in (196.0, 330.0) for k in (1, 2, 3)]
        rows.append(0.08 * np.sum(notes, axis=0) * (1 + 0.3 * np.sin(2 * np.pi * 2 * time_s)))
    return np.array(rows, np.float32)


def lost_in(sound: Samples, lost: int, first: int = 12) -> tuple[Bridge, Samples, Samples, Samples, Samples]:
    """A bridge that heard a real decoder up to packet `first`; what `lost` packets would have been, the decoder's guess
    of them, the packet after them as it was decoded, and as it would have been."""
    settings = OpusSettings()
    encoder, whole, gapped, bridge = OpusEncoder(settings), OpusDecoder(), OpusDecoder(), Bridge()
    packets = [encoder.encode(sound[:, at : at + FRAME]) for at in range(0, (first + lost + 1) * FRAME, FRAME)]
    perfect = [whole.decode(packet) for packet in packets]
    for packet in packets[:first]:
        bridge.remember(gapped.decode(packet))
    guess = np.concatenate([gapped.conceal(FRAME) for _ in range(lost)], axis=1)
    after = gapped.decode(packets[-1])
    return bridge, np.concatenate(perfect[first:-1], axis=1), guess, after, perfect[-1]


def around(sound: Samples, begin: int, count: int) -> tuple[Bridge, Samples, Samples]:
    """A bridge that heard all before `begin`, the lost stretch, and the packet after it."""
    bridge = Bridge()
    for at in range(begin % FRAME, begin, FRAME):
        bridge.remember(sound[:, at : at + FRAME])
    return bridge, sound[:, begin : begin + count], sound[:, begin + count : begin + count + FRAME]


@pytest.mark.parametrize("lost", [1, 2])
def test_a_chord_goes_on_through_a_gap(lost: int) -> None:
    bridge, missing, guess, after, _ = lost_in(chord(), lost)
    rebuilt, kept = bridge.build(guess, after)
    assert rebuilt.shape == missing.shape
    assert kept.shape == after.shape
    assert si_sdr_db(rebuilt, missing) > si_sdr_db(guess, missing) + (5.0 if lost == 1 else 1.5)
    # Beyond what the decoder mixed with its guess, and the filter's reach, the packet is as it came.
    assert np.allclose(kept[:, 300:], after[:, 300:], atol=1e-6)


def test_the_ends_meet_without_a_step() -> None:
    sound = chord()
    bridge, _, guess, after, _ = lost_in(sound, 1)
    rebuilt, kept = bridge.build(guess, after)
    line = np.concatenate([bridge._heard[-1][:, -100:], rebuilt, kept], axis=1)
    assert np.abs(np.diff(line, axis=1)).max() < 1.5 * np.abs(np.diff(sound, axis=1)).max()


def test_silence_stays_silence_and_too_little_or_too_long_keeps_the_guess() -> None:
    sound = np.zeros((2, 20_000), np.float32)
    bridge, lost, after = around(sound, 9600, FRAME)
    assert not np.any(bridge.build(lost, after)[0])
    guess = np.ones((2, FRAME), np.float32)
    fresh = Bridge()
    assert fresh.build(guess, after)[0] is guess
    long = np.ones((2, LONGEST_BRIDGE + 1), np.float32)
    assert bridge.build(long, after)[0] is long
    bridge.forget()
    assert bridge.build(guess, after)[0] is guess


def test_noise_and_extremes_give_finite_sound_not_louder_than_its_surroundings() -> None:
    rng = np.random.default_rng(1)
    for scale in (1e-6, 1.0, 1e3):
        sound = (scale * rng.standard_normal((1, 20_000))).astype(np.float32)
        bridge, lost, after = around(sound, 9600, FRAME)
        rebuilt, _ = bridge.build(np.zeros_like(lost), after)
        assert np.isfinite(rebuilt).all()
        assert np.abs(rebuilt).max() <= 2.0 * np.abs(sound).max()


def test_what_is_remembered_is_bounded() -> None:
    bridge = Bridge()
    for _ in range(1000):
        bridge.remember(np.zeros((2, FRAME), np.float32))
    assert len(bridge._heard) <= 6


def test_a_sine_is_found_exactly() -> None:
    line = np.sin(2 * np.pi * 0.03 * np.arange(1500))
    found = most_likely(line[:700], line[900:], 200)
    assert found is not None
    assert np.abs(found - line[700:900]).max() < 0.05
