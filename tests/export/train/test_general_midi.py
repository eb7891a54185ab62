from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from export.train import general_midi
from export.train.corpus import PROCEDURAL, SAMPLE_RATE, origin
from export.train.general_midi import CLIP_S, HITS, INSTRUMENTS, STROKES, band, midi_recordings, strokes, tune

SMALL_SOUNDFONT = Path("/usr/share/sounds/sf2/TimGM6mb.sf2")


@pytest.mark.parametrize("instrument", INSTRUMENTS, ids=lambda one: f"{one.label} {one.name}")
def test_tunes_keep_to_the_instruments_range_and_to_the_clip(instrument: general_midi.Instrument) -> None:
    for seed in range(20):
        notes = tune(np.random.default_rng(seed), 3, instrument.lowest, instrument.highest)
        assert notes
        assert {note.channel for note in notes} == {3}
        assert all(instrument.lowest <= note.key <= instrument.highest for note in notes)
        assert all(0 <= note.begin_s < CLIP_S and note.length_s > 0 for note in notes)
        assert all(1 <= note.velocity <= 127 for note in notes)


def test_strokes_are_those_of_the_class() -> None:
    keys = {note.key for seed in range(30) for note in strokes(np.random.default_rng(seed), STROKES["cymbal"])}
    assert keys == set(STROKES["cymbal"])


def test_a_band_plays_on_three_channels_and_drums_now_and_then_without_one() -> None:
    heard = []
    for seed in range(40):
        programs, notes = band(np.random.default_rng(seed))
        assert set(programs) == {0, 1, 2}
        heard.append({note.channel for note in notes})
    assert {0, 1, 2, 9} in heard
    assert {1, 2, 9} in heard


def test_what_is_no_soundfont_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("fluidsynth", reason="pyfluidsynth is not installed", exc_type=ImportError)
    (tmp_path / "none.sf2").write_bytes(b"nothing")
    with pytest.raises(OSError, match="no soundfont"):
        midi_recordings(tmp_path / "none.sf2")


@pytest.mark.skipif(not SMALL_SOUNDFONT.exists(), reason="timgm6mb-soundfont is not installed")
def test_a_soundfont_plays_every_class_audibly(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("fluidsynth", reason="pyfluidsynth is not installed", exc_type=ImportError)
    monkeypatch.setattr(general_midi, "INSTRUMENTS", INSTRUMENTS[::9])
    monkeypatch.setattr(general_midi, "KITS", {0: "standard"})
    recordings, arrays = midi_recordings(SMALL_SOUNDFONT, clips=1)
    assert {one.label for one in recordings} == {i.label for i in INSTRUMENTS[::9]} | {*STROKES, *HITS, "music"}
    assert all(one.source == PROCEDURAL for one in recordings)
    assert len({origin(one) for one in recordings}) == len({one.file.rsplit("_", 1)[0] for one in recordings})
    for samples in arrays.values():
        assert len(samples) == CLIP_S * SAMPLE_RATE
        assert np.abs(samples).max() >= 15_900
