"""One thread for torch, and a corpus of a few seconds, tones and noises, that every test of export can afford."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from torch import Tensor

from export.models import phase
from export.models.flat import FlatConfig
from export.models.linear import LinearConfig
from export.models.queried import QueriedSeparator
from export.train.batches import BatchMaker
from export.train.cache import SampleStore
from export.train.concepts import vocabulary
from export.train.corpus import MAN, SPEECH, WOMAN, Recording
from export.train.drawing import Drawing
from export.train.examples import ExampleMaker
from export.train.mixing import Mixer
from export.train.scenes import Recipe, SceneMaker


def recording(
    file: str,
    label: str,
    *,
    concepts: tuple[str, ...] | None = None,
    speaker: str = "",
    source: str = "someone/sounds",
    native_sr_hz: int = 48_000,
    seconds: float = 1.0,
) -> Recording:
    """A recording with sensible defaults."""
    return Recording(file, label, concepts or (label,), source, "CC0", speaker, native_sr_hz, seconds)


def tiny_recordings() -> list[Recording]:
    """Six voices, six rains, six whistles; the voices as real ones are: 16 kHz."""
    voices = [
        recording(
            f"speech/v{k}.opus",
            SPEECH,
            concepts=(SPEECH, MAN if k % 2 else WOMAN),
            speaker=f"s{k}",
            native_sr_hz=16_000,
            seconds=6.0 if k < 4 else 1.0,
        )
        for k in range(6)
    ]
    return [
        *voices,
        *(recording(f"rain/{word}.opus", "rain") for word in ("roof", "tin", "leaf", "road", "sea", "pane")),
        *(recording(f"whistle/{word}.opus", "whistle") for word in ("wolf", "tin", "bone", "dog", "steam", "toy")),
    ]


def tiny_store(recordings: list[Recording]) -> SampleStore:
    """Harmonic voices with pauses, noisy rain, pure whistles; the same every time."""
    rng = np.random.default_rng(3)
    arrays = {}
    for index, item in enumerate(recordings):
        t = np.arange(int(item.seconds * 48_000)) / 48_000
        if item.label == SPEECH:
            pitch = 110 if MAN in item.concepts else 210
            wave = sum(np.sin(2 * np.pi * pitch * k * t) / k for k in range(1, 12)) * (np.sin(2 * np.pi * 2 * t) > -0.5)
        elif item.label == "rain":
            wave = rng.standard_normal(len(t))
        else:
            wave = np.sin(2 * np.pi * (900 + 70 * index) * t)
        arrays[item.file] = np.asarray(3000 * wave, np.int16)
    return SampleStore(arrays)


def batch_maker(
    scenes: SceneMaker,
    store: SampleStore,
    concepts: list[str],
    size: int,
    *,
    banded: bool = True,
    phase_bins: int = phase.MOST,
) -> BatchMaker:
    """Two questions of each mixture."""
    drawing = Drawing(ExampleMaker(scenes, concepts, 2), size, seed=5)
    return BatchMaker(drawing, Mixer(store, scenes.length, concepts, banded=banded, phase_bins=phase_bins))


def noise(batch: int, hops: int) -> Tensor:
    """Complex spectra `[batch, hops, 480]`, the same for the same shape."""
    return torch.randn(batch, hops, 480, dtype=torch.complex64, generator=torch.Generator().manual_seed(7))


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    """Tensors this small gain nothing from threads, and on a busy machine wait for them."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session", autouse=True)
def interruptible() -> Iterator[None]:
    """Who runs the tests may ignore Ctrl-C (a shell does for what it runs behind `&`), and all they start would."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def recordings() -> list[Recording]:
    """See `tiny_recordings`."""
    return tiny_recordings()


@pytest.fixture
def store(recordings: list[Recording]) -> SampleStore:
    """See `tiny_store`."""
    return tiny_store(recordings)


@pytest.fixture
def scenes(recordings: list[Recording], store: SampleStore) -> SceneMaker:
    """Scenes of half a second."""
    return SceneMaker(recordings, store, Recipe(seconds=0.5))


@pytest.fixture
def maker(recordings: list[Recording], store: SampleStore, scenes: SceneMaker) -> BatchMaker:
    """Batches of six questions."""
    return batch_maker(scenes, store, vocabulary(recordings), size=3)


@pytest.fixture
def model(recordings: list[Recording]) -> QueriedSeparator:
    """A small separator for the tiny corpus' five concepts."""
    torch.manual_seed(0)
    return QueriedSeparator(vocabulary(recordings), LinearConfig(width=32, inner=32, blocks=2, query=16))


@pytest.fixture
def flat_model(recordings: list[Recording]) -> QueriedSeparator:
    """A small flat separator for the same concepts."""
    torch.manual_seed(0)
    return QueriedSeparator(vocabulary(recordings), FlatConfig(hidden=32, query=16))
