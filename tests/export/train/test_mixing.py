from __future__ import annotations

import numpy as np
import pytest
import torch

from export.models.bands import BANDS, band_power
from export.train.batches import BatchMaker
from export.train.cache import SampleStore
from export.train.concepts import vocabulary
from export.train.corpus import SPEECH
from export.train.examples import Example, ExampleMaker
from export.train.mixing import Mixer, activity
from export.train.scenes import SceneMaker
from tests.export.conftest import batch_maker, tiny_recordings

CONCEPTS = vocabulary(tiny_recordings())


def drawn(scenes: SceneMaker, count: int) -> list[Example]:
    maker = ExampleMaker(scenes, CONCEPTS, 2)
    return [maker.draw(np.random.default_rng(seed)) for seed in range(count)]


def test_shapes_and_finite_values(maker: BatchMaker) -> None:
    batch = maker.make(0)
    assert batch.own.shape == (3, 50, BANDS)
    assert batch.target.shape == batch.across.shape == (3, 2, 50, BANDS)
    assert batch.asked.shape == (3, 2, len(CONCEPTS))
    assert batch.active.shape == (3, 2, 50)
    assert batch.hint.shape == (3, 2, 50, 2)
    assert batch.scored.shape == (3, 1, BANDS)
    for tensor in (batch.own, batch.target, batch.across, batch.hint, batch.active, batch.asked, batch.scored):
        assert tensor.dtype == torch.float32
        assert tensor.isfinite().all()


def test_bands_are_sums_of_the_bins(scenes: SceneMaker, store: SampleStore) -> None:
    bins, bands = (batch_maker(scenes, store, CONCEPTS, size=2, banded=banded).make(1) for banded in (False, True))
    assert bins.own.shape == (2, 50, 480)
    for one, other in ((bins.own, bands.own), (bins.across, bands.across), (bins.target, bands.target)):
        torch.testing.assert_close(band_power(one), other, rtol=1e-4, atol=1e-6 * float(other.abs().max()))


def test_mixtures_mixed_at_once_are_those_mixed_one_by_one(scenes: SceneMaker, store: SampleStore) -> None:
    """As on a GPU; noises and rooms apart, which are drawn in another order there."""
    dry = [e for e in drawn(scenes, 30) if e.hiss is None and all(source.room is None for source in e.sources)]
    one_by_one, at_once = (Mixer(store, scenes.length, CONCEPTS) for _ in range(2))
    at_once._at_once = 1000
    first, second = one_by_one.mix(dry), at_once.mix(dry)
    for name in ("own", "target", "across", "asked", "active", "hint", "scored"):
        wanted = getattr(first, name)
        torch.testing.assert_close(getattr(second, name), wanted, rtol=1e-4, atol=1e-6 * float(wanted.abs().max()))


def test_the_targets_of_all_sources_are_the_mixture(scenes: SceneMaker, store: SampleStore) -> None:
    everything = [e for e in drawn(scenes, 60) if e.hiss is None and any(all(hits) for hits in e.hits)]
    assert everything
    batch = Mixer(store, scenes.length, CONCEPTS).mix(everything)
    for number, example in enumerate(everything):
        for question, hits in enumerate(example.hits):
            if all(hits):
                torch.testing.assert_close(batch.target[number, question], batch.own[number], rtol=1e-3, atol=1e-9)


def test_the_inner_product_is_bounded_by_the_powers(maker: BatchMaker) -> None:
    """Cauchy and Schwarz, band by band."""
    batch = maker.make(0)
    bound = torch.sqrt(batch.own[:, None] * batch.target)
    assert (batch.across.abs() <= bound * 1.001 + 1e-9).all()


def test_absent_targets_are_zero_and_inactive(maker: BatchMaker) -> None:
    seen = 0
    for number in range(20):
        batch = maker.make(number)
        for target, active in zip(batch.target.flatten(0, 1), batch.active.flatten(0, 1), strict=True):
            if not target.any():
                seen += 1
                assert not active.any()
    assert seen > 3


def test_hints_never_lie(maker: BatchMaker) -> None:
    hinted = 0
    for number in range(10):
        batch = maker.make(number)
        assert not (batch.hint[..., 0] * (1 - batch.active)).any()
        assert not (batch.hint[..., 1] * batch.active).any()
        hinted += int(batch.hint.any(dim=3).any(dim=2).sum())
    assert 6 <= hinted <= 34


def test_levels_are_those_drawn(scenes: SceneMaker, store: SampleStore) -> None:
    examples = drawn(scenes, 12)
    own = Mixer(store, scenes.length, CONCEPTS).mix(examples).own
    level_db = 10 * torch.log10(own.sum(2).mean(1) / 480**2)
    assert level_db.tolist() == pytest.approx([example.level_db for example in examples], abs=0.01)


def test_an_extended_voice_sounds_above_8_khz(scenes: SceneMaker, store: SampleStore) -> None:
    extended = [e for e in drawn(scenes, 60) if e.extensions and len(e.sources) == 1 and e.hiss is None]
    assert extended
    own = Mixer(store, scenes.length, CONCEPTS, banded=False).mix(extended).own
    for power, example in zip(own, extended, strict=True):
        assert example.sources[0].label == SPEECH
        for copy, gain in enumerate(example.extensions[0].gains):
            torch.testing.assert_close(power[:, 158 + 80 * copy : 238 + 80 * copy], gain**2 * power[:, 78:158])


def test_activity_is_relative_to_the_loudest_frame() -> None:
    target = torch.zeros(1, 3, BANDS)
    target[0, :, 10] = torch.tensor([1.0, 1e-3, 1e-4])
    assert activity(target).tolist() == [[1, 1, 0]]
    assert not activity(torch.zeros(1, 3, BANDS)).any()
