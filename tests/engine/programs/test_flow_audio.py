"""`engine.programs.flow_audio` on the tiny bundle: a stream of windows is one sound, however it comes."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from engine.bundle import Bundle
from engine.config import SessionConfig
from engine.errors import EngineFault, NoCapacity
from engine.frames import Samples, Work
from engine.offline import separate
from engine.programs.flow_audio import FlowProgram
from engine.prompt import Span, Target
from engine.runtimes.graphs import Graphs
from engine.spec import FlowMode
from tests.engine.flow import FOLDER, SHORT, bundle_in, open_graphs
from tests.engine.streams import Crank, noise

MAN = Target("man", "man speaking")
RAIN = Target("rain", "rain")


@pytest.fixture
def bundle(flow_graphs: Graphs) -> Bundle:
    return bundle_in(flow_graphs)


def streamed(bundle: Bundle, sound: Samples, cuts: list[int], targets: tuple[Target, ...] = (MAN,)) -> list[Samples]:
    """Every track of a live session that is fed in chunks cut at `cuts`."""
    crank = Crank(bundle, SessionConfig(48_000, len(sound), targets, residual=True))
    for begin, end in pairwise([0, *cuts, sound.shape[1]]):
        crank.feed(sound[:, begin:end])
    crank.flush()
    return [crank.track(track.index) for track in crank.session.tracks]


def test_chunks_make_no_difference_and_a_file_is_the_same(bundle: Bundle) -> None:
    sound = noise(48_000 + 777, 2)
    whole = separate(bundle, sound, 48_000, (MAN,))
    assert whole.targets["man"].shape == sound.shape
    for cuts in (list(range(480, sound.shape[1], 480)), [1, 19_200, 40_000, 40_001]):
        target, residual = streamed(bundle, sound, cuts)
        np.testing.assert_allclose(target, whole.targets["man"], atol=2e-5)
        np.testing.assert_allclose(target + residual, sound, atol=1e-6)
    assert np.sqrt(np.mean(whole.targets["man"] ** 2)) > 0.01


def test_a_hop_leaves_when_its_window_is_complete(bundle: Bundle) -> None:
    audio = bundle.spec.audio
    crank = Crank(bundle, SessionConfig(48_000, 1, (MAN,)))
    assert crank.session.latency.mode == "test"
    assert crank.session.latency.samples == audio.latency == audio.hop + audio.crossfade + audio.lookahead
    assert not crank.feed(noise(audio.latency - 1))
    (piece,) = crank.feed(noise(1))
    assert (piece.pts, piece.samples.shape) == (0, (1, audio.hop))


def test_where_windows_coincide_the_sound_is_that_of_one_window(flow_graphs: Graphs) -> None:
    """A clip shorter than a window: hop by hop it is what one long hop is."""
    clip = noise(41_000)
    hops = bundle_in(flow_graphs, SHORT.model_copy(update={"context_s": 2.0, "lookahead_s": 2.0}))
    one = bundle_in(flow_graphs, SHORT.model_copy(update={"hop_s": 2.0}))
    np.testing.assert_allclose(
        separate(hops, clip, 48_000, (MAN,)).targets["man"], separate(one, clip, 48_000, (MAN,)).targets["man"],
        atol=2e-5,
    )  # fmt: skip


def test_several_prompts_and_streams_in_one_batch(bundle: Bundle) -> None:
    sounds = [noise(30_000, 1, seed) for seed in range(2)]
    alone = [
        streamed(bundle, sound, [], targets) for sound, targets in zip(sounds, ((MAN, RAIN), (RAIN,)), strict=True)
    ]
    cranks = [
        Crank(bundle, SessionConfig(48_000, 1, targets, residual=True)) for targets in ((MAN, RAIN), (RAIN,))
    ]  # fmt: skip
    batcher = cranks[0].batcher
    batcher.add(cranks[1].session)
    for crank, sound in zip(cranks, sounds, strict=True):
        crank.session.feed_audio(sound, crank.clock())
        crank.session.flush(crank.clock(), last=True)
        batcher.ready(crank.session)
    while batcher.pending:
        batcher.step()
    for crank, tracks in zip(cranks, alone, strict=True):
        crank.pieces += crank.session.take()
        for track, wanted in zip(crank.session.tracks, tracks, strict=True):
            np.testing.assert_allclose(crank.track(track.index), wanted, atol=2e-5)
    man, rain, residual = alone[0]
    np.testing.assert_allclose(man + rain + residual, sounds[0], atol=1e-6)
    assert np.abs(man - rain).max() > 0.01


def test_everything_but_is_the_rest(bundle: Bundle) -> None:
    sound = noise(30_000)
    got = separate(bundle, sound, 48_000, (Target("rest", "Everything but the man speaking"),))
    wanted = separate(bundle, sound, 48_000, (MAN,))
    np.testing.assert_allclose(got.targets["rest"], sound - wanted.targets["man"], atol=1e-6)
    assert got.residual is not None
    np.testing.assert_allclose(got.residual, wanted.targets["man"], atol=1e-6)


def test_stereo_is_mid_and_side_from_the_same_noise(bundle: Bundle) -> None:
    mono = noise(25_000)
    single = separate(bundle, mono, 48_000, (MAN,)).targets["man"]
    both = separate(bundle, np.repeat(mono, 2, axis=0), 48_000, (MAN,)).targets["man"]
    np.testing.assert_allclose(both, np.repeat(single, 2, axis=0), atol=2e-5)  # the side is silent, so not asked
    opposite = separate(bundle, np.concatenate([mono, -mono]), 48_000, (MAN,)).targets["man"]
    np.testing.assert_allclose(opposite, np.concatenate([single, -single]), atol=2e-5)


def test_silence_is_not_asked_about(bundle: Bundle) -> None:
    sound = noise(48_000 * 3)
    sound[:, 30_000:110_000] = 0.0
    target = separate(bundle, sound, 48_000, (MAN,)).targets["man"]
    hop = bundle.spec.audio.hop
    first = -(-30_000 // hop)
    last = (110_000 - bundle.spec.audio.crossfade) // hop
    assert not target[:, first * hop + bundle.spec.audio.crossfade : last * hop].any()
    assert target[:, -hop:].any()
    chunked, _ = streamed(bundle, sound, list(range(5000, sound.shape[1], 5000)))
    np.testing.assert_allclose(chunked, target, atol=2e-5)


def test_spans_reach_the_model_frame_by_frame_and_silence_what_is_off(bundle: Bundle) -> None:
    sound = noise(48_000)
    plain = separate(bundle, sound, 48_000, (MAN,)).targets["man"]
    spans = (Span(0.2, 0.4), Span(0.6, 0.8, include=False))
    marked = separate(bundle, sound, 48_000, (Target("man", "man speaking", spans=spans),)).targets["man"]
    assert np.abs(marked - plain)[:, 9600:19_200].max() > 1e-3
    assert not marked[:, int(0.66 * 48_000) : int(0.79 * 48_000)].any()
    assert marked[:, int(0.9 * 48_000) :].any()


def test_a_new_prompt_is_heard_from_the_next_hop_on(bundle: Bundle) -> None:
    sound, hop = noise(80_000), bundle.spec.audio.hop
    crank = Crank(bundle, SessionConfig(48_000, 1, (MAN,)))
    crank.feed(sound[:, :36_000])
    begins = crank.session.update((Target("man", "rain"),))
    crank.feed(sound[:, 36_000:])
    crank.flush()
    got = crank.track(0)
    man, rain = (separate(bundle, sound, 48_000, (target,)).targets for target in (MAN, RAIN))
    np.testing.assert_allclose(got[:, :begins], man["man"][:, :begins], atol=2e-5)
    np.testing.assert_allclose(got[:, begins + 2 * hop :], rain["rain"][:, begins + 2 * hop :], atol=2e-5)


def test_a_flush_begins_anew(bundle: Bundle) -> None:
    sound = noise(30_000)
    crank = Crank(bundle, SessionConfig(48_000, 1, (MAN,)))
    for last in (False, True):
        crank.feed(sound)
        crank.flush(last=last)
    whole = separate(bundle, sound, 48_000, (MAN,)).targets["man"]
    np.testing.assert_allclose(crank.track(0), np.concatenate([whole, whole], axis=1), atol=2e-5)


def test_other_rates_go_through(bundle: Bundle) -> None:
    sound = noise(44_100)
    got = separate(bundle, sound, 44_100, (MAN,))
    assert got.targets["man"].shape == sound.shape
    assert got.residual is not None
    np.testing.assert_allclose(got.targets["man"] + got.residual, sound, atol=1e-6)


def test_one_graph_call_a_turn(bundle: Bundle, flow_graphs: Graphs, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    keep = flow_graphs.keep

    def counted(graph: str, feeds: dict[str, Samples]) -> dict[str, Samples]:
        calls.append(graph)
        return keep(graph, feeds)

    monkeypatch.setattr(flow_graphs, "keep", counted)
    program = bundle.program
    slots = [program.open_slot() for _ in range(2)]
    for slot, phrase in zip(slots, ("dog", "music"), strict=True):
        program.condition(slot, phrase)
    audio = bundle.spec.audio
    most = 0
    for part in program.step([Work((slot,), audio.history, noise(audio.window), 1, (0,)) for slot in slots]):
        most, results = max(most, len(calls)), part
        calls.clear()
    assert most == 1
    assert len(results) == 2


def test_a_step_that_fails_leaves_everything_as_it_was(
    bundle: Bundle, flow_graphs: Graphs, monkeypatch: pytest.MonkeyPatch
) -> None:
    audio, program = bundle.spec.audio, bundle.program
    sound = noise(audio.window + 3 * audio.hop)

    def hop(number: int) -> Work:
        begin = number * audio.hop
        return Work((slot,), audio.history + begin, sound[:, begin : begin + audio.window], 1, (0,))

    def run(number: int) -> Samples:
        (*_, (result,)) = program.step([hop(number)])
        return np.asarray(result.outputs[0])

    slot = program.open_slot()
    program.condition(slot, "dog")
    wanted = [run(number) for number in range(3)]
    program.reset(slot)
    got = [run(0)]
    with monkeypatch.context() as patch:
        keep = flow_graphs.keep

        def broken(graph: str, feeds: dict[str, Samples]) -> dict[str, Samples]:
            if graph == "decoder":
                raise EngineFault("no more memory")
            return keep(graph, feeds)

        patch.setattr(flow_graphs, "keep", broken)
        with pytest.raises(EngineFault, match="no more memory"):
            run(1)
    got += [run(1), run(2)]
    np.testing.assert_allclose(np.concatenate(got, axis=1), np.concatenate(wanted, axis=1), atol=1e-6)


def test_a_slot_that_is_given_away_during_a_step_is_not_written_to(bundle: Bundle) -> None:
    audio, program = bundle.spec.audio, bundle.program
    slot = program.open_slot()
    program.condition(slot, "dog")
    step = program.step([Work((slot,), audio.history, noise(audio.window), 1, (0,))])
    next(step)
    program.close_slot(slot)
    assert program.open_slot() == slot
    program.condition(slot, "man speaking")
    for _ in step:
        pass
    assert isinstance(program, FlowProgram)
    assert program._slots[slot].expects is None


def test_values_that_are_not_finite_silence_one_stream_alone(
    bundle: Bundle, flow_graphs: Graphs, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep = flow_graphs.keep

    def spoilt(graph: str, feeds: dict[str, Samples]) -> dict[str, Samples]:
        made = keep(graph, feeds)
        if graph == "decoder":
            made["samples"][0, 0, made["samples"].shape[2] // 2] = np.nan
        return made

    monkeypatch.setattr(flow_graphs, "keep", spoilt)
    audio, program = bundle.spec.audio, bundle.program
    slots = [program.open_slot() for _ in range(2)]
    works = [Work((slot,), audio.history, noise(audio.window, 1, slot), 1, (0,)) for slot in slots]
    for slot in slots:
        program.condition(slot, "dog")
    (*_, results) = program.step(works)
    assert [result.faulty for result in results] == [True, False]
    assert not results[0].outputs.any()
    assert results[1].outputs.any()


def test_slots_run_out(flow_graphs: Graphs) -> None:
    spec = bundle_in(flow_graphs).spec
    program = FlowProgram(spec, FOLDER, flow_graphs, lambda: 0.0, most_slots=1)
    slot = program.open_slot()
    with pytest.raises(NoCapacity):
        program.open_slot()
    program.close_slot(slot)
    assert program.open_slot() == slot


def test_memory_is_constant_over_a_stream(flow_graphs: Graphs) -> None:
    """What a slot holds, and the engine's ring, do not grow (an hour of it: `benchmarks/sam_audio_stream.py`)."""
    bundle = bundle_in(flow_graphs, FlowMode(context_s=0.4, hop_s=2.0, lookahead_s=0.32, solver="euler", steps=1))
    crank = Crank(bundle, SessionConfig(48_000, 1, (MAN,)))
    program = bundle.program
    assert isinstance(program, FlowProgram)
    sizes = []
    second = noise(48_000)
    for _ in range(24):
        crank.feed(second)
        crank.pieces.clear()
        (slot,) = program._slots.values()
        held = [heard.latents.nbytes for heard in slot.heard.values()] + [
            a.nbytes for _, _, a, _ in slot.solved.values()
        ]
        sizes.append(sum(held) + crank.session._segment.separator._ring._data.nbytes)
    assert max(sizes[8:]) <= max(sizes[:8])


def test_the_mark_is_the_same_however_the_stream_is_cut() -> None:
    graphs = open_graphs()
    bundle, plain = bundle_in(graphs), bundle_in(open_graphs("watermark"))
    sound = noise(40_000, 2)
    marked = separate(bundle, sound, 48_000, (MAN,)).targets["man"]
    np.testing.assert_allclose(streamed(bundle, sound, [9000, 9001, 30_000])[0], marked, atol=2e-5)
    assert np.abs(marked - separate(plain, sound, 48_000, (MAN,)).targets["man"]).max() > 1e-3
