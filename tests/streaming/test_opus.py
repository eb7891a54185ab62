"""Opus by libopus: what goes in comes out, what is missing is continued, in-band FEC brings lost packets back."""

from __future__ import annotations

import gc
import tracemalloc

import numpy as np
import pytest

from engine.errors import BadInput
from engine.frames import Samples
from engine.score import si_sdr_db
from streaming.opus import (
    RATE,
    BadPacket,
    OpusDecoder,
    OpusEncoder,
    OpusSettings,
    is_quiet,
    library_version,
    packet_samples,
)


def tones(seconds: float, channels: int = 2) -> Samples:
    """A few partials that swell, different on each channel."""
    time_s = np.arange(int(seconds * RATE)) / RATE
    rows = []
    for channel in range(channels):
        partials = sum(np.sin(2 * np.pi * (220 + 110 * channel) * k * time_s) / k for k in (1, 2, 3, 5))
        rows.append(0.1 * partials * (1 + 0.3 * np.sin(2 * np.pi * 1.5 * time_s)))
    return np.array(rows, np.float32)


def coded(sound: Samples, settings: OpusSettings) -> list[bytes]:
    """All packets of a sound."""
    encoder = OpusEncoder(settings)
    frame = settings.frame
    return [encoder.encode(sound[:, at : at + frame]) for at in range(0, sound.shape[1] - frame + 1, frame)]


@pytest.mark.parametrize("application", ["lowdelay", "audio"])
@pytest.mark.parametrize("frame_ms", [10, 20])
@pytest.mark.parametrize("channels", [1, 2])
def test_what_goes_in_comes_out_later_by_the_lookahead(application: str, frame_ms: int, channels: int) -> None:
    settings = OpusSettings(channels=channels, frame_ms=frame_ms, application=application)  # type: ignore[arg-type]
    sound = tones(1.0, channels)
    packets = coded(sound, settings)
    decoder = OpusDecoder(channels)
    heard = np.concatenate([decoder.decode(packet) for packet in packets], axis=1)
    lag = OpusEncoder(settings).lookahead
    assert lag == settings.lookahead
    assert lag == {"lowdelay": 120, "audio": 312}[application]
    assert heard.shape[1] == len(packets) * settings.frame
    assert si_sdr_db(heard[:, 4800 + lag :], sound[:, 4800 : heard.shape[1] - lag]) > 15.0
    assert all(packet_samples(packet) == settings.frame for packet in packets)


def test_the_bitrate_is_kept() -> None:
    noise = np.random.default_rng(3).standard_normal((2, RATE)).astype(np.float32) * 0.1
    for bitrate in (32_000, 96_000, 256_000):
        size = sum(len(packet) for packet in coded(noise, OpusSettings(bitrate=bitrate)))
        assert size * 8 == pytest.approx(bitrate, rel=0.15)


def test_a_missing_packet_is_continued_and_the_next_is_right_again() -> None:
    sound = tones(1.0)
    packets = coded(sound, OpusSettings())
    whole, gapped = OpusDecoder(), OpusDecoder()
    expected = [whole.decode(packet) for packet in packets]
    heard = [gapped.conceal(960) if index == 25 else gapped.decode(packet) for index, packet in enumerate(packets)]
    assert si_sdr_db(heard[25], expected[25]) > 5.0
    assert si_sdr_db(heard[30], expected[30]) > 20.0


def test_in_band_fec_brings_a_lost_packet_back() -> None:
    settings = OpusSettings(channels=1, bitrate=32_000, application="voip", in_band_fec=True, expected_loss_percent=20)
    rng = np.random.default_rng(5)
    # SILK codes what looks like speech: pulses through two resonances, louder and softer.
    pulses = np.zeros(RATE, np.float64)
    pulses[:: RATE // 120] = 1.0
    time_s = np.arange(RATE // 50) / RATE
    throat = np.exp(-time_s * 300) * (np.sin(2 * np.pi * 600 * time_s) + 0.5 * np.sin(2 * np.pi * 1400 * time_s))
    voice = np.convolve(pulses, throat)[:RATE] * (0.3 + 0.2 * np.sin(2 * np.pi * 4 * np.arange(RATE) / RATE))
    sound = (voice + 0.001 * rng.standard_normal(RATE)).astype(np.float32)[None]
    packets = coded(sound, settings)
    recovered, concealed = [], []
    for lost in (20, 27, 33):
        whole, fec, plc = OpusDecoder(1), OpusDecoder(1), OpusDecoder(1)
        expected = [whole.decode(packet) for packet in packets[: lost + 1]][-1]
        for packet in packets[:lost]:
            fec.decode(packet)
            plc.decode(packet)
        recovered.append(si_sdr_db(fec.recover(packets[lost + 1], 960), expected))
        concealed.append(si_sdr_db(plc.conceal(960), expected))
    assert np.mean(recovered) > np.mean(concealed) + 3.0


@pytest.mark.parametrize(
    ("payload", "count"),
    [
        (b"", 0),
        (bytes([0xFC]), 960),  # CELT full band, 20 ms, one frame
        (bytes([0xF0 | 0x04]), 480),
        (bytes([0xE0]), 120),
        (bytes([0x18]), 2880),  # SILK, 60 ms
        (bytes([0x1A]), 5760),
        (bytes([0xFB, 0x03]), 2880),  # three frames
        (bytes([0xFB, 0x3F]), 0),  # more than 120 ms
        (bytes([0xFB]), 0),  # says "count follows" and ends
        (bytes([0x60]), 480),  # hybrid
    ],
)
def test_how_long_a_packet_lasts_is_read_from_its_first_bytes(payload: bytes, count: int) -> None:
    assert packet_samples(payload) == count


def test_every_length_that_libopus_decodes_is_the_length_read() -> None:
    decoder = OpusDecoder()
    rng = np.random.default_rng(2)
    for config in range(256):
        payload = bytes([config]) + rng.bytes(60)
        try:
            decoded = decoder.decode(payload).shape[1]
        except BadPacket:
            continue
        assert packet_samples(payload) == decoded


def test_damaged_packets_are_refused_not_decoded() -> None:
    with pytest.raises(BadPacket):
        OpusDecoder().decode(bytes([0xFB, 0x3F]))


def test_quiet_packets() -> None:
    assert is_quiet(bytes([0xF8]))
    assert is_quiet(bytes([0xF8, 0]))
    assert not is_quiet(bytes([0xF8, 0, 0]))


@pytest.mark.parametrize(
    ("name", "value"),
    [("channels", 3), ("frame_ms", 15), ("bitrate", 1), ("application", "music"), ("complexity", 11)],
)
def test_wrong_settings_are_refused(name: str, value: object) -> None:
    with pytest.raises(BadInput, match=name):
        OpusSettings(**{name: value})  # type: ignore[arg-type]


def test_another_shape_than_a_frame_is_refused() -> None:
    with pytest.raises(BadInput):
        OpusEncoder(OpusSettings()).encode(np.zeros((1, 960), np.float32))


def test_the_version_is_known() -> None:
    assert library_version().startswith("libopus 1.")


def test_nothing_is_left_of_a_closed_codec() -> None:
    """Python's own share; libopus's states are freed by the same finalizer."""

    def cycle() -> None:
        OpusDecoder().decode(OpusEncoder(OpusSettings()).encode(np.zeros((2, 960), np.float32)))

    cycle()
    gc.collect()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    for _ in range(50):
        cycle()
    gc.collect()
    grown = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert grown < 20_000
