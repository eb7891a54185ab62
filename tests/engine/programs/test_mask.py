"""`engine.programs.mask`: the transform pair, each channel for itself, slots that do not touch each other."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from engine.errors import NoCapacity
from engine.frames import Work
from engine.programs.mask import MaskProgram
from engine.runtimes.identity import IdentityRuntime
from engine.spec import AudioSpec, ModelSpec
from tests.engine.streams import noise

SPEC = ModelSpec(
    name="small", version="1", description="", licence="Apache-2.0", program="mask", runtime="identity",
    audio=AudioSpec(sample_rate=8000, window=64, hop=32, crossfade=32), bins=33, query_size=2,
)  # fmt: skip


class LowPass(IdentityRuntime):
    """Keeps the bins below its query's first value; remembers what it heard."""

    def separate(self, slots, spectrum, query, hint):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
        self.heard: NDArray[np.float32] = spectrum
        mask, active = super().separate(slots, spectrum, query, hint)
        for row, cut in enumerate(query[:, 0]):
            mask[row, :, int(cut) :] = 0.0
        return mask, active


def program(runtime: IdentityRuntime | None = None, most_slots: int = 8) -> MaskProgram:
    return MaskProgram(SPEC, runtime or LowPass(), lambda: 0.0, most_slots)


def run(subject: MaskProgram, slots: tuple[int, ...], sound: NDArray[np.float32], hops: int) -> NDArray[np.float32]:
    """All of `sound` in works of `hops`; the outputs `(slots, channels, n)`, the lead-in not cut."""
    parts = []
    for begin in range(0, sound.shape[1] - 32 * (hops + 1) + 1, 32 * hops):
        window = sound[:, begin : begin + 32 * (hops + 1)]
        (results,) = subject.step([Work(slots, begin, window, hops, (0,) * len(slots))])
        parts.append(results[0].outputs)
    return np.concatenate(parts, axis=2)


def test_two_slots_on_one_sound_share_its_spectrum() -> None:
    runtime = LowPass()
    subject = program(runtime)
    low, all_of_it = subject.open_slot(), subject.open_slot()
    subject.condition(low, np.array([8, 0], np.float32))
    subject.condition(all_of_it, np.array([33, 0], np.float32))
    sound = noise(32 * 41, 1)
    out = run(subject, (low, all_of_it), sound, 4)
    np.testing.assert_array_equal(runtime.heard[0], runtime.heard[1])
    inner = slice(32, out.shape[2])
    np.testing.assert_allclose(out[1, 0, inner], sound[0, inner], atol=1e-6)
    tops = np.abs(np.fft.rfft(out[0, 0, inner]))
    assert tops[len(tops) // 2 :].max() < 0.05 * tops.max()


def test_each_channel_of_a_stereo_stream_is_heard_for_itself() -> None:
    runtime = LowPass()
    subject = program(runtime)
    slots = (subject.open_slot(), subject.open_slot())
    for slot, edge in zip(slots, (33, 4), strict=True):
        subject.condition(slot, np.array([edge, 0], np.float32))
    sound = noise(32 * 41, 2)
    both = run(subject, slots, sound, 8)
    inner = slice(32, both.shape[2])
    np.testing.assert_allclose(both[0][:, inner], sound[:, inner], atol=1e-6)
    for channel in range(2):
        alone = program()
        slot = alone.open_slot()
        alone.condition(slot, np.array([4, 0], np.float32))
        np.testing.assert_allclose(
            both[1][channel], run(alone, (slot,), sound[channel : channel + 1], 8)[0, 0], atol=1e-6
        )


class Loud(IdentityRuntime):
    """Active where the spectrum is not zero."""

    def separate(self, slots, spectrum, query, hint):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
        mask, _ = super().separate(slots, spectrum, query, hint)
        return mask, (np.abs(spectrum).max(axis=(2, 3)) > 0).astype(np.float32)


def test_a_target_on_one_channel_is_active_beside_mono_streams() -> None:
    subject = program(Loud())
    slots = [subject.open_slot() for _ in range(4)]
    silence, sound = np.zeros((1, 64), np.float32), noise(64, 1)
    right = np.concatenate([silence, sound])
    works = [
        Work((slots[0],), 0, silence, 1, (0,)),
        Work((slots[1], slots[2]), 0, right, 1, (0, 0)),
        Work((slots[3],), 0, sound, 1, (0,)),
    ]
    (results,) = subject.step(works)
    assert [result.active[:, 0].tolist() for result in results] == [[0.0], [1.0, 1.0], [1.0]]
    assert [result.outputs.shape for result in results] == [(1, 1, 32), (2, 2, 32), (1, 1, 32)]
    np.testing.assert_array_equal(results[1].outputs[:, 0], 0.0)


@pytest.mark.parametrize("hops", [1, 2, 8])
def test_grouping_of_hops_does_not_matter(hops: int) -> None:
    sound = noise(32 * 41, 2)
    outs = []
    for many in (1, hops):
        subject = program()
        slot = subject.open_slot()
        subject.condition(slot, np.array([9, 0], np.float32))
        outs.append(run(subject, (slot,), sound, many))
    np.testing.assert_allclose(outs[0][..., : 32 * 32], outs[1][..., : 32 * 32], atol=1e-6)


def test_snapshot_and_reset() -> None:
    subject = program()
    slot = subject.open_slot()
    subject.condition(slot, np.array([33, 0], np.float32))
    sound = noise(32 * 11)
    run(subject, (slot,), sound, 1)
    kept = subject.snapshot(slot)
    following = run(subject, (slot,), noise(64, seed=2), 1)
    subject.reset(slot)
    fresh = run(subject, (slot,), noise(64, seed=2), 1)
    subject.restore(slot, kept)
    again = run(subject, (slot,), noise(64, seed=2), 1)
    np.testing.assert_array_equal(following, again)
    assert np.abs(fresh - following).max() > 0.01


def test_slots_run_out_and_come_back_clean() -> None:
    subject = program(most_slots=2)
    first, second = subject.open_slot(), subject.open_slot()
    with pytest.raises(NoCapacity, match="every slot"):
        subject.open_slot()
    subject.condition(second, np.array([33, 0], np.float32))
    run(subject, (second,), noise(640), 1)
    subject.close_slot(second)
    assert subject.open_slot() == second
    np.testing.assert_array_equal(run(subject, (second,), noise(64), 1), 0.0)  # query zero keeps nothing, tail is gone
    assert first != second


def test_works_of_different_length_come_back_in_groups() -> None:
    subject = program()
    slots = [subject.open_slot() for _ in range(3)]
    works = [
        Work((slots[0],), 0, noise(64), 1, (0,)),
        Work((slots[1],), 0, noise(96), 2, (0,)),
        Work((slots[2],), 0, noise(64), 1, (0,)),
    ]
    groups = list(subject.step(works))
    assert [[result.work for result in group] for group in groups] == [[works[0], works[2]], [works[1]]]
    assert [group[0].outputs.shape for group in groups] == [(1, 1, 32), (1, 1, 64)]
