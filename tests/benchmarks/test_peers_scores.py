"""The scoring of `benchmarks.peers`: a delay is found and taken out, bands are equal, a missing measure is named."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import signal

from benchmarks.peers_scores import Heard, Judge, at_rate, in_band, inner, lag_of, run
from benchmarks.peers_streams import NARROW_HZ, WIDE_HZ, Peer, Process, Vector
from engine.score import si_sdr_db


def sound(rate_hz: int, seconds: float = 1.0, seed: int = 1, below_hz: float = 6000.0) -> Vector:
    """Noise below `below_hz`."""
    rng = np.random.default_rng(seed)
    low = signal.butter(8, below_hz, fs=rate_hz, output="sos")
    return np.asarray(signal.sosfilt(low, 0.1 * rng.standard_normal(int(seconds * rate_hz))), np.float32)


def delayed(samples: Vector, by: int) -> Vector:
    return np.concatenate([np.zeros(by, np.float32), samples])


@pytest.mark.parametrize("rate_hz", [NARROW_HZ, WIDE_HZ])
@pytest.mark.parametrize("lag", [0, 1, 160, 384, 961])
def test_the_delay_is_found_to_the_sample_under_noise(rate_hz: int, lag: int) -> None:
    targets = [sound(rate_hz, seed=seed) for seed in range(3)]
    outputs = [0.3 * delayed(target, lag) for target in targets]
    outputs = [output + 0.02 * sound(rate_hz, len(output) / rate_hz, 9)[: len(output)] for output in outputs]
    assert lag_of(outputs, targets, rate_hz) == lag


def test_one_odd_output_does_not_move_the_delay() -> None:
    targets = [sound(NARROW_HZ, seed=seed) for seed in range(4)]
    outputs = [delayed(target, 96) for target in targets[:3]] + [100 * delayed(targets[3], 500)]
    assert lag_of(outputs, targets, NARROW_HZ) == 96


@pytest.mark.parametrize("rate_hz", [NARROW_HZ, WIDE_HZ])
def test_taking_the_delay_out_makes_a_perfect_output_perfect(rate_hz: int) -> None:
    wide = sound(WIDE_HZ)
    narrow = at_rate(wide, NARROW_HZ)
    aligned = in_band(delayed(at_rate(wide, rate_hz), 480), 480, rate_hz, len(narrow))
    assert aligned.shape == narrow.shape
    assert si_sdr_db(inner(aligned)[None], inner(narrow)[None]) > 60


def test_nobody_is_paid_for_the_band_that_others_lack() -> None:
    wide = sound(WIDE_HZ)
    hiss = sound(WIDE_HZ, seed=5, below_hz=20000.0)
    high = np.asarray(signal.sosfilt(signal.butter(20, 9500, "high", fs=WIDE_HZ, output="sos"), hiss), np.float32)
    clean, hissing = (in_band(samples, 0, WIDE_HZ, NARROW_HZ) for samples in (wide, wide + high))
    assert si_sdr_db(inner(hissing)[None], inner(clean)[None]) > 30


def test_a_rate_that_does_not_divide_is_refused() -> None:
    with pytest.raises(ValueError, match="44100"):
        at_rate(sound(WIDE_HZ, 0.1), 44100)


def echo_peer(hop: int, rate_hz: int = NARROW_HZ) -> Peer:
    """Gives each hop out one hop later."""

    def open_stream() -> Process:
        held = [np.zeros(hop, np.float32)]

        def process(given: Vector) -> Vector:
            held.append(given)
            return held.pop(0)

        return process

    return Peer("echo", "this test", rate_hz, hop, open_stream)


def test_a_stream_is_run_hop_by_hop_and_drained() -> None:
    wide = sound(WIDE_HZ, 0.5)
    heard = run(echo_peer(128), wide)
    narrow = at_rate(wide, NARROW_HZ)
    assert isinstance(heard, Heard)
    assert len(heard.samples) == 128 * len(heard.hop_s)
    assert np.array_equal(heard.samples[128 : 128 + len(narrow)], narrow)
    assert lag_of([heard.samples], [narrow], NARROW_HZ) == 128


def test_who_wants_the_whole_recording_gets_it_at_once() -> None:
    wide = sound(WIDE_HZ, 0.5)
    heard = run(Peer("whole", "this test", WIDE_HZ, 0, lambda: lambda samples: samples), wide)
    assert np.array_equal(heard.samples, wide)
    assert len(heard.hop_s) == 1


def test_measures_that_are_not_installed_are_named() -> None:
    judge = Judge()
    score = judge.score(sound(NARROW_HZ, 2.0, 1), sound(NARROW_HZ, 2.0, 2))
    for name, value in {"PESQ": score.pesq, "STOI": score.stoi}.items():
        assert (value is None) == (name in judge.absent)
    assert score.si_sdr_db < 0


def test_a_silent_target_has_no_pesq_rather_than_an_error() -> None:
    silent = np.zeros(NARROW_HZ, np.float32)
    assert Judge().score(silent + 1e-9, silent).pesq is None
