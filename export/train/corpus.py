"""The recordings: the manifest, what its labels are worth, and which recordings are held out.

`manifest.csv` has one row per file: `file,class,caption,source,licence,split,speaker,native_sr,seconds`. Its classes
came from words in file names, so a balloon is filed under birds ("loon") and a wind-up toy under wind. `CORRECTIONS`
puts those right by hand; what fits no class stays as a source without a name: it is mixed in, never asked for.
"""

from __future__ import annotations

import csv
import hashlib
import math
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from engine.errors import BadInput

SAMPLE_RATE = 48_000
SPEECH, MAN, WOMAN = "speech", "man speaking", "woman speaking"
NAMELESS = ""
"""Label of a recording that belongs to no class."""

HELD_OUT_SHARE = 0.15
HELD_OUT_SPEAKER_SHARE = 0.10

CORRECTIONS: tuple[tuple[str, str, str], ...] = (
    # (label in the manifest, pattern searched in the file's name, the right label)
    ("birds", "balloon", NAMELESS), ("birds", "coyote", "animal"),
    ("water", "coins|chain_?drop|cup_drop|cymbal|bass_drop|drum_|bubblewrap|boing", NAMELESS),
    ("wind", "wind_?up|winding|rewind", NAMELESS), ("sheep", "goat_hoof", NAMELESS),
    ("insects", "beer_cap|theremin|beep", NAMELESS), ("bell", "lion_bellow", "animal"),
    ("machine", "drill_on_|fanfare", NAMELESS), ("footsteps", "Arp_note", NAMELESS),
    ("fire crackling", "pistol|rifle", "explosion"), ("fire crackling", "fire_hose", NAMELESS),
    ("rain", "zube_tube|white_noise", NAMELESS), ("thunder", "thunder_drum|storm_water", NAMELESS),
    ("sea waves", "ballbearing", NAMELESS), ("sea waves", "sea_lion", "animal"),
    ("strings", "cymbal|trashcan|string_rattle|bass_string", NAMELESS), ("singing", "chimes", "bell"),
    ("animal", "WhaleFX|ballbearings|flashlight", NAMELESS), ("bass", "rubberband", NAMELESS),
    ("brass", "vehicle_horn", "car horn"), ("dog bark", "snor|sleep", "animal"), ("guitar", "ruler", NAMELESS),
    ("train", "walking_in|stomp_", NAMELESS), ("traffic", "toy_|_perc|_beat", NAMELESS),
    ("traffic", "compressor", "machine"), ("traffic", "motor|car_engine", "engine"),
    ("telephone", "bamboo|phone_card|mehackit", NAMELESS),
    ("explosion", "laser", NAMELESS), ("glass", "tool_break", NAMELESS), ("airplane", "toy_", NAMELESS),
    ("crowd", "Subway", "train"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Recording:
    """One recording; `concepts` are the words it answers to (none for a nameless one)."""

    file: str
    label: str
    concepts: tuple[str, ...]
    source: str
    licence: str
    speaker: str
    native_sr_hz: int
    seconds: float


_COLUMNS = ("file", "class", "caption", "source", "licence", "speaker", "native_sr", "seconds")
"""Those that are read."""


def read_manifest(folder: Path) -> list[Recording]:
    """Recordings of `folder/manifest.csv`, in its order, labels corrected; one at least.

    Raises:
        BadInput: there is none, or it cannot be used; names the file, and the line and column at fault.
    """
    path = folder / "manifest.csv"
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = csv.DictReader(file)
            header = list(rows.fieldnames or ())
            if lacking := [column for column in _COLUMNS if column not in header]:
                raise BadInput(str(path), f"a header with the columns {', '.join(lacking)}", ",".join(header))
            recordings = [_recording(row, f"{path}, line {rows.line_num}") for row in rows]
    except OSError as error:
        raise BadInput(str(path), "a manifest of recordings", error.strerror) from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise BadInput(str(path), "CSV in UTF-8", str(error)) from error
    if not recordings:
        raise BadInput(str(path), "a row for each recording", "a header alone")
    return recordings


def _recording(row: dict[str, str], place: str) -> Recording:
    if None in row or None in row.values():  # so DictReader shows what is too long or too short
        raise BadInput(place, "as many values as the header has", list(row.values()))
    label = corrected_label(row["class"], row["file"])
    return Recording(
        file=row["file"],
        label=label,
        concepts=_concepts(label, row["caption"]),
        source=row["source"],
        licence=row["licence"],
        speaker=row["speaker"],
        native_sr_hz=int(_number(int, row, "native_sr", place)),
        seconds=_number(float, row, "seconds", place),
    )


def _number(kind: Callable[[str], float], row: dict[str, str], column: str, place: str) -> float:
    try:
        value = kind(row[column])
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise BadInput(f"{place}, {column}", f"{'a whole' if kind is int else 'a'} number above 0", row[column])
    return value


def corrected_label(label: str, file: str) -> str:
    """The label that a file deserves, by `CORRECTIONS`."""
    name = file.rsplit("/", 1)[-1]
    for given, pattern, right in CORRECTIONS:
        if label == given and re.search(pattern, name, re.IGNORECASE):
            return right
    return label


def _concepts(label: str, caption: str) -> tuple[str, ...]:
    if label != SPEECH:
        return (label,) if label else ()
    # "man speaking" is a part of "woman speaking": the caption's phrases are compared whole
    sexes = [part for part in (piece.strip() for piece in caption.split(";")) if part in (MAN, WOMAN)]
    return (SPEECH, *sexes)


_TAIL = re.compile(r"([-_ ]|v\d+|vl\d+|rr\d+|\d+[a-f]?|(?<=[-_])[a-g][b#]?_?\d*|-(ff|pp|mf))$", re.IGNORECASE)


def origin(recording: Recording) -> str:
    """What a recording shares with others that must stay on its side of the split.

    A named speaker; a whole crowd of unnamed ones (ids ending in `?`) by the first half byte of the file name's hash,
    since nobody knows who is who there; an ESC-10 clip `1-172649-A` by its middle number; else the source and the name
    without takes, notes and numbers (`guitar_riff_cutup3` → `guitar_riff_cutup`).
    """
    stem = recording.file.rsplit("/", 1)[-1].removesuffix(".opus")
    if recording.speaker.endswith("?"):
        return f"{recording.speaker}{_unit_hash(stem):.1f}"
    if recording.speaker:
        return recording.speaker
    if match := re.search(r"ESC-10__\d-(\d+)-", stem):
        return f"esc{match[1]}"
    while (shorter := _TAIL.sub("", stem)) != stem and shorter:
        stem = shorter
    return f"{recording.source}/{recording.label}/{stem.lower()}"


def _unit_hash(text: str) -> float:
    """A number in [0, 1) that depends on `text` alone, the same in every Python and on every machine."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:6], "big") / (1 << 48)


def split(recordings: Sequence[Recording]) -> tuple[list[Recording], list[Recording]]:
    """(train, held out), no origin on both sides.

    Speech: speakers whose hash is below 0.10, and of unnamed crowds none: they stay in training, for a tenth of a
    crowd may be voices that the other nine tenths hold too. Other classes: their origins in the order of their hashes,
    until 15 % of the class's recordings are out, passing over an origin that would take more than 40 % of them; a class
    of one origin is not held out, nor are procedural sounds.
    """
    held = set[str]()
    by_label: dict[str, list[Recording]] = defaultdict(list)
    for recording in recordings:
        by_label[recording.label].append(recording)
    for label, members in by_label.items():
        held |= _held_speakers(members) if label == SPEECH else _held_origins(members)
    train = [r for r in recordings if origin(r) not in held]
    return train, [r for r in recordings if origin(r) in held]


def _held_speakers(members: Iterable[Recording]) -> set[str]:
    named = {r.speaker for r in members if r.speaker and not r.speaker.endswith("?")}
    return {speaker for speaker in named if _unit_hash(speaker) < HELD_OUT_SPEAKER_SHARE}


def _held_origins(members: Sequence[Recording]) -> set[str]:
    sizes: dict[str, int] = defaultdict(int)
    real = [r for r in members if r.source != PROCEDURAL]
    for recording in real:
        sizes[origin(recording)] += 1
    held = set[str]()
    taken = 0
    for name in sorted(sizes, key=_unit_hash) if len(sizes) > 1 else []:
        if taken >= HELD_OUT_SHARE * len(real):
            break
        if taken + sizes[name] <= max(1.0, 0.4 * len(real)):
            held.add(name)
            taken += sizes[name]
    return held


PROCEDURAL = "winnow/procedural"
"""Source of the sounds made by `export.train.procedural`."""
