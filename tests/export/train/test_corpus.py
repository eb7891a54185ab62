from __future__ import annotations

from pathlib import Path

import pytest

from engine.errors import BadInput
from export.train.corpus import (
    MAN,
    NAMELESS,
    PROCEDURAL,
    SPEECH,
    WOMAN,
    Recording,
    corrected_label,
    origin,
    read_manifest,
    split,
)
from tests.export.conftest import recording

HEADER = "file,class,caption,source,licence,split,speaker,native_sr,seconds\n"


def test_a_manifest_is_read_with_its_concepts(tmp_path: Path) -> None:
    (tmp_path / "manifest.csv").write_text(
        HEADER + "speech/a.opus,speech,speech; woman speaking; one word (f0=200),x/y,CC0,train,s1,16000,1.5\n"
        "birds/audio__balloon1.opus,birds,birds,x/y,CC0,train,,44100,2\n"
        "rain/r.opus,rain,rain,x/y,CC0,train,,44100,2\n",
        encoding="utf-8",
    )
    voice, balloon, rain = read_manifest(tmp_path)
    assert voice.concepts == (SPEECH, WOMAN)
    assert (voice.native_sr_hz, voice.seconds) == (16_000, 1.5)
    assert (balloon.label, balloon.concepts) == (NAMELESS, ())
    assert rain.concepts == ("rain",)


ROW = "r.opus,rain,rain,x/y,CC0,train,,44100,2\n"


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", r"manifest\.csv: expected a header with the columns file, class, .*, seconds, got ''"),
        (HEADER.encode(), r"manifest\.csv: expected a row for each recording, got 'a header alone'"),
        (b"file,class,caption\nr.opus,rain,rain\n", r"the columns source, .*, seconds, got 'file,class,caption'"),
        (
            (HEADER + ROW + ROW.replace("44100", "x")).encode(),
            r"line 3, native_sr: .* whole number .*, got 'x'",
        ),
        ((HEADER + ROW.replace("44100", "1.5")).encode(), r"line 2, native_sr: expected a whole number above 0"),
        ((HEADER + ROW.replace(",2", ",nan")).encode(), r"line 2, seconds: expected a number above 0, got 'nan'"),
        ((HEADER + ROW.replace(",2", ",0")).encode(), r"line 2, seconds: expected a number above 0, got '0'"),
        ((HEADER + "r.opus,rain\n").encode(), r"line 2: expected as many values as the header has, got \['r.opus'"),
        ((HEADER + ROW.replace("CC0", "CC0,more")).encode(), r"line 2: expected as many values as the header has"),
        (HEADER.encode() + b"\xff\xfe\n", r"manifest\.csv: expected CSV in UTF-8"),
    ],
)
def test_a_manifest_that_cannot_be_used_is_refused_by_its_place(tmp_path: Path, content: bytes, told: str) -> None:
    (tmp_path / "manifest.csv").write_bytes(content)
    with pytest.raises(BadInput, match=told):
        read_manifest(tmp_path)


def test_a_folder_without_a_manifest_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"nowhere/manifest\.csv: expected a manifest of recordings, got 'No such file"):
        read_manifest(tmp_path / "nowhere")


def test_woman_speaking_does_not_count_as_man_speaking(tmp_path: Path) -> None:
    row = "speech/a.opus,speech,speech; woman speaking,x/y,CC0,train,s1,16000,1.5\n"
    (tmp_path / "manifest.csv").write_text(HEADER + row, encoding="utf-8")
    assert MAN not in read_manifest(tmp_path)[0].concepts


def test_a_correction_touches_only_its_class() -> None:
    assert corrected_label("wind", "wind/audio__wind_up_toy_1.opus") == NAMELESS
    assert corrected_label("machine", "machine/audio__wind_up_toy_1.opus") == "machine"
    assert corrected_label("wind", "wind/ambient__wind1_0.opus") == "wind"


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("dog_bark/ESC-10__2-122104-A.opus", "dog_bark/ESC-10__2-122104-B.opus", True),
        ("dog_bark/ESC-10__2-122104-A.opus", "dog_bark/ESC-10__2-118964-A.opus", False),
        ("guitar/audio__guitar_riff_cutup1.opus", "guitar/audio__guitar_riff_cutup5.opus", True),
        ("piano/audio__piano_Ab4.opus", "piano/audio__piano_C2.opus", True),
        ("bass/D__killer_bass_a5_vl1.opus", "bass/D__killer_bass_a5_vl4.opus", True),
        ("door/audio__door_slam_1.opus", "door/audio__door_creak1.opus", False),
    ],
)
def test_takes_and_notes_share_an_origin(one: str, other: str, same: bool) -> None:
    label = one.split("/")[0]
    assert (origin(recording(one, label)) == origin(recording(other, label))) is same


def many() -> list[Recording]:
    speakers = [recording(f"speech/{k}-{take}.opus", SPEECH, speaker=f"s{k}") for k in range(200) for take in range(2)]
    crowd = [recording(f"speech/crowd{k}.opus", SPEECH, speaker="pico?") for k in range(50)]
    clips = [recording(f"rain/ESC-10__1-{k}-{take}.opus", "rain") for k in range(20) for take in "AB"]
    return [*speakers, *crowd, *clips, recording("cat/cat_meow.opus", "cat")]


def test_no_origin_lies_on_both_sides() -> None:
    train, held = split(many())
    assert {origin(r) for r in train}.isdisjoint(origin(r) for r in held)
    assert len(train) + len(held) == len(many())


def test_the_shares_are_as_written() -> None:
    _, held = split(many())
    speech, rain = (sum(r.label == label for r in held) for label in (SPEECH, "rain"))
    assert 0.05 * 400 < speech < 0.16 * 400
    assert 6 <= rain <= 8  # 15 % of 40, whole pairs


def test_crowds_and_single_origins_stay_in_training() -> None:
    _, held = split(many())
    assert not [r for r in held if r.speaker == "pico?" or r.label == "cat"]


def test_a_speaker_never_changes_sides_when_data_is_added() -> None:
    before = {r.speaker for r in split(many())[1] if r.label == SPEECH}
    more = [*many(), *(recording(f"speech/n{k}.opus", SPEECH, speaker=f"new{k}") for k in range(50))]
    after = {r.speaker for r in split(more)[1] if r.label == SPEECH and not r.speaker.startswith("new")}
    assert before == after


def test_procedural_sounds_are_never_held_out() -> None:
    made = [recording(f"procedural/siren_{k}", "siren", source=PROCEDURAL) for k in range(30)]
    real = [recording(f"siren/{word}.opus", "siren") for word in ("wail", "yelp", "horn")]
    assert all(r.source != PROCEDURAL for r in split([*made, *real])[1])
