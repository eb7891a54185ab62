from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from export.train.cache import SampleStore
from export.train.mixtures import Cut
from export.train.scenes import Piece, Room, SceneMaker, Source
from export.train.sound import FADE, SoundMaker, to_unit_power

LENGTH = 24_000
TONE = np.asarray(8000 * np.sin(2 * np.pi * 1000 * np.arange(48_000) / 48_000), np.int16)


def playing(speed: float = 1.0) -> Source:
    """All of the source's length, as a scene would lay it down."""
    pieces = (Piece("tone", Cut(0, 0, int(LENGTH * speed) + 2)),)
    return Source("whistle", ("whistle",), 24_000.0, pieces, speed)


SOURCE = playing()


@pytest.fixture
def sound() -> SoundMaker:
    return SoundMaker(SampleStore({"tone": TONE, "nothing": np.zeros(48_000, np.int16)}), LENGTH, torch.device("cpu"))


def made(sound: SoundMaker, *sources: Source, seed: int = 1) -> torch.Tensor:
    return sound.make(sources, torch.Generator().manual_seed(seed))


def frequency_hz(samples: torch.Tensor) -> float:
    return float(torch.fft.rfft(samples).abs().argmax()) * 48_000 / len(samples)


def test_a_plain_source_is_its_recording_at_unit_power(sound: SoundMaker) -> None:
    (samples,) = made(sound, SOURCE)
    recorded = torch.from_numpy(TONE[:LENGTH].astype(np.float32))
    torch.testing.assert_close(samples, recorded / recorded.square().mean().sqrt(), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("speed", [0.6, 0.85, 1.15, 1.6])
def test_a_faster_source_is_higher(sound: SoundMaker, speed: float) -> None:
    (samples,) = made(sound, playing(speed))
    assert frequency_hz(samples) == pytest.approx(1000 * speed, abs=3)


def test_sources_of_several_speeds_do_not_meet(sound: SoundMaker) -> None:
    sources = [playing(speed) for speed in (1.6, 1.0, 0.6)]
    together = made(sound, *sources)
    for row, source in enumerate(sources):
        torch.testing.assert_close(together[row], made(sound, source)[0])


@pytest.mark.parametrize("speed", [0.4, 1.0, 2.2])
def test_backwards_is_the_same_from_its_end(sound: SoundMaker, speed: float) -> None:
    pieces = (Piece("tone", Cut(0, 0, int(6000 * speed))),)
    forth = replace(SOURCE, pieces=pieces, speed=speed)
    there, back = made(sound, forth, replace(forth, backwards=True))
    assert not back[: LENGTH - 6100].any()
    assert not there[6100:].any()
    assert frequency_hz(back) == pytest.approx(1000 * speed, abs=5)
    if speed == 1.0:
        torch.testing.assert_close(back[2:], there.flip(0)[:-2])


def test_pieces_lie_where_they_were_laid(sound: SoundMaker) -> None:
    pieces = (Piece("tone", Cut(10, 2400, 4800)), Piece("tone", Cut(0, 12_000, 4800)))
    (samples,) = made(sound, replace(SOURCE, pieces=pieces))
    assert not samples[:2400].any()
    assert samples[2400:7200].abs().max() > 1
    assert not samples[7200:12_000].any()
    assert samples[12_000:16_800].abs().max() > 1


def test_a_room_lasts_after_the_sound_and_dies_away(sound: SoundMaker) -> None:
    short = replace(SOURCE, pieces=(Piece("tone", Cut(0, 0, 4800)),), room=Room(0.3, 3.0))
    (samples,) = made(sound, short)
    power = samples.unflatten(0, (-1, 2400)).square().mean(1)
    assert power[0] > 0.1
    assert 1e-5 < power[4] < 0.3 * power[2]
    assert power[-1] < 1e-9  # 0.3 s to -60 dB, and then nothing
    assert torch.equal(samples, made(sound, short)[0])
    assert not torch.equal(samples, made(sound, short, seed=2)[0])


def test_events_begin_and_end_with_a_fade(sound: SoundMaker) -> None:
    (samples,) = made(sound, replace(SOURCE, events=((4800, 7200), (20_000, 30_000))))
    assert not samples[:4800].any()
    assert not samples[12_000:20_000].any()
    assert samples[4800 : 4800 + FADE // 4].abs().max() < 0.3 * samples[6000:7200].abs().max()
    assert samples[-480:].abs().max() > 1


def test_silence_stays_silence(sound: SoundMaker) -> None:
    silent = replace(SOURCE, pieces=(Piece("nothing", Cut(0, 0, LENGTH)),))
    assert not made(sound, silent, SOURCE)[0].any()
    assert not to_unit_power(torch.zeros(2, 960)).any()


def test_a_cut_from_between_the_sounds_is_silence() -> None:
    chirps = np.concatenate([np.full(24_000, 3, np.int16) * np.tile([1, -1], 12_000), TONE])
    sound = SoundMaker(SampleStore({"chirps": np.asarray(chirps, np.int16)}), LENGTH, torch.device("cpu"))
    between, within = (replace(SOURCE, pieces=(Piece("chirps", Cut(at, 0, 12_000)),)) for at in (0, 20_000))
    samples = made(sound, between, within)
    assert not samples[0].any()
    assert samples[1].any()


def test_every_drawn_source_has_unit_power_where_it_sounds(scenes: SceneMaker, store: SampleStore) -> None:
    drawn = [source for seed in range(20) for source in scenes.draw(np.random.default_rng(seed))]
    sound = SoundMaker(store, scenes.length, torch.device("cpu"))
    for samples in made(sound, *drawn):
        power = samples.unflatten(0, (-1, 480)).square().mean(1)
        loud = power[power > 1e-4 * power.max()]
        assert not power.any() or abs(float(loud.mean()) - 1) < 1e-3
