"""`winnow separate`: one file in, one file per target and for the residual out, in constant memory."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.activity import ActivityRecord, Sounding
from engine.bundle import Bundle
from engine.concepts import ConceptSet
from engine.config import RESIDUAL
from engine.errors import BadInput
from engine.offline import separate_blocks
from engine.prompt import Span, Target
from engine.targets import understood as understand
from engine.vocabulary import Understood
from streaming.mask_video import MaskedPictures
from streaming.media_reading import AudioFile, open_audio
from streaming.media_writing import SOUND_FORMATS, SoundWriter, VideoWriter, made_folder, video_suffix

_SPAN = re.compile(r"^([+-]?)(\d+(?:\.\d*)?|\.\d+):(\d+(?:\.\d*)?|\.\d+)$")
_LONGEST_NAME = 60


@dataclass(frozen=True, slots=True)
class Written:
    """One file made. `track` is `ID/target` or `residual`; `prompt` and `understood` are empty for the residual.

    `spans` says where the target sounds, or is None where that was not asked for or makes no sense.
    """

    track: str
    prompt: str
    understood: Understood | None
    path: Path
    clipped: int
    spans: tuple[Sounding, ...] | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """What came of one file; seconds of sound, and of waiting."""

    file: Path
    seconds: float
    samples: int
    rate: int
    channels: int
    model: str
    provider: str
    elapsed_s: float
    outputs: tuple[Written, ...]
    notes: tuple[str, ...]

    @property
    def speed(self) -> float:
        """How many times faster than real time."""
        return self.seconds / self.elapsed_s if self.elapsed_s else 0.0

    @property
    def spans(self) -> dict[str, tuple[Sounding, ...]]:
        """Prompt → where it sounds, for what was asked."""
        return {one.prompt: one.spans for one in self.outputs if one.spans is not None}

    def as_json(self) -> dict[str, Any]:
        """The report as plain values."""
        return {
            "file": str(self.file),
            "seconds": self.seconds,
            "samples": self.samples,
            "sample_rate": self.rate,
            "channels": self.channels,
            "model": self.model,
            "provider": self.provider,
            "elapsed_s": round(self.elapsed_s, 3),
            "times_real_time": round(self.speed, 1),
            "outputs": [_output_json(written) for written in self.outputs],
            "notes": list(self.notes),
        }


def _output_json(written: Written) -> dict[str, Any]:
    out: dict[str, Any] = {"track": written.track, "path": str(written.path), "clipped": written.clipped}
    if written.understood is not None:
        out["prompt"] = written.prompt
        out["everything_but"] = written.understood.inverted
        out["understood"] = [
            {"label": told.label, "score": round(told.score, 3), "status": told.status}
            for told in written.understood.matches
        ]
    if written.spans is not None:
        out["spans"] = [
            {"start": one.start_s, "end": one.end_s, "level_db": one.level_db, "probability": one.probability}
            for one in written.spans
        ]
    return out


def parse_span(text: str) -> Span:
    """`+1.0:2.5` (the target sounds there), `-3:4` (it does not), in seconds.

    Raises:
        BadInput: field `span`.
    """
    found = _SPAN.match(text.strip())
    if found is None or float(found[2]) >= float(found[3]):
        raise BadInput("span", "+START:END or -START:END in seconds, as +1.0:2.5", text)
    return Span(float(found[2]), float(found[3]), found[1] != "-")


def file_names(prompts: Iterable[str]) -> list[str]:
    """A distinct short name for each prompt: `man speaking` → `man-speaking`."""
    taken = {RESIDUAL}
    names = []
    for prompt in prompts:
        base = re.sub(r"[^\w]+", "-", prompt.lower()).strip("-_")[:_LONGEST_NAME].rstrip("-") or "target"
        name, count = base, 1
        while name in taken:
            count += 1
            name = f"{base}-{count}"
        taken.add(name)
        names.append(name)
    return names


def separate_file(
    file: str | Path,
    prompts: Sequence[str],
    *,
    bundle: Bundle,
    folder: Path | None = None,
    residual: bool = True,
    kind: str = "wav",
    spans: Sequence[Span] = (),
    video: bool = True,
    predict_spans: bool = False,
    pictures: MaskedPictures | None = None,
    progress: Callable[[float, float | None], None] | None = None,
) -> Report:
    """Separate a file and write `NAME.PROMPT.wav …` beside it or into `folder`.

    Args:
        file: any sound or video file that PyAV opens; never written to.
        prompts: one target each.
        bundle: the model.
        folder: where to write; made if it is not there. None: beside the file.
        residual: also write what is left.
        kind: `wav`, `flac` or `mp3`.
        spans: hints for every target.
        video: for a video file, also write a video with each target's sound.
        predict_spans: also say where each target sounds ("everything but …" has no activity of its own).
        pictures: a visual prompt for the one target there is, for a model that sees; its words may be empty then.
        progress: called with seconds done and seconds in all (None: unknown).

    Raises:
        BadInput, UnknownPrompt: nothing was written.
        OutputError: the disk refuses; nothing is left under a final name that is not whole.
        EngineFault: a model step failed.
    """
    if kind not in SOUND_FORMATS:
        raise BadInput("format", " or ".join(SOUND_FORMATS), kind)
    names = file_names(prompts)
    targets = tuple(
        Target(name, prompt, tuple(spans), pictures=pictures, predict_spans=predict_spans)
        for name, prompt in zip(names, prompts, strict=True)
    )
    if pictures is not None and len(targets) > 1:
        raise BadInput("mask_video", "one prompt beside it", f"{len(targets)} prompts")
    if predict_spans and not bundle.vocabulary.tells_activity:
        raise BadInput("predict_spans", "a model that tells when a target sounds", bundle.spec.name)
    understood = {target.id: understand(target, bundle.vocabulary) for target in targets}
    began_s = time.perf_counter()
    with open_audio(file) as source:
        if pictures is not None:
            pictures.start_s = source.start_s
        writers = _Writers(source, made_folder(folder or source.path.parent), kind, targets, residual, video)
        record = ActivityRecord() if predict_spans else None
        with writers:
            for made in separate_blocks(
                bundle, source.blocks(), source.rate, source.channels, targets, residual, record=record
            ):
                for track, samples in made.items():
                    writers.write(track, samples)
                if progress is not None:
                    progress(writers.written / source.rate, source.duration_s)
            writers.finish()
        heard = {} if record is None else _spans(record, understood, source)
        outputs = _outputs(writers, targets, understood, bundle, heard)
        return _report(source, bundle, understood, outputs, began_s)


def _outputs(
    writers: _Writers,
    targets: Sequence[Target],
    understood: dict[str, ConceptSet],
    bundle: Bundle,
    heard: dict[str, tuple[Sounding, ...]],
) -> tuple[Written, ...]:
    """What lies in each file; `understood` and `heard` by target."""
    answers = {name: bundle.vocabulary.understood(concepts) for name, concepts in understood.items()}
    prompts = {target.id: target.prompt for target in targets}
    outputs = []
    for track, writer in writers.all:
        name = track.removesuffix("/target")
        outputs.append(
            Written(track, prompts.get(name, ""), answers.get(name), writer.path, writer.clipped, heard.get(name))
        )
    return tuple(outputs)


def _report(
    source: AudioFile, bundle: Bundle, understood: dict[str, ConceptSet], outputs: tuple[Written, ...], began_s: float
) -> Report:
    cautions = (bundle.vocabulary.caution(concepts) for concepts in understood.values())
    notes = (*(caution for caution in cautions if caution), *_notes(source, outputs))
    return Report(
        source.path, source.samples_read / source.rate, source.samples_read, source.rate, source.channels,
        bundle.spec.name, bundle.provider, time.perf_counter() - began_s, outputs, notes,
    )  # fmt: skip


def _spans(
    record: ActivityRecord, understood: dict[str, ConceptSet], source: AudioFile
) -> dict[str, tuple[Sounding, ...]]:
    found = record.spans(source.samples_read / source.rate)
    return {name: found.get(name, ()) for name, concepts in understood.items() if not concepts.inverted}


class _Writers:
    """The files of one run: all of them are kept, or none."""

    def __init__(
        self, source: AudioFile, folder: Path, kind: str, targets: Sequence[Target], residual: bool, video: bool
    ) -> None:
        self.all: list[tuple[str, SoundWriter]] = []
        self.written = 0
        self._source = source
        self._stack = ExitStack()
        try:
            for target in targets:
                track = f"{target.id}/target"
                path = self._free(folder, target.id, f".{kind}")
                self._add(track, SoundWriter(path, kind, source.rate, source.channels))
                if video and source.has_video:
                    path = self._free(folder, target.id, video_suffix(source.path))
                    copy = VideoWriter(path, source.path, source.rate, source.channels, source.start_s)
                    self._add(track, copy)
            if residual:
                path = self._free(folder, RESIDUAL, f".{kind}")
                self._add(RESIDUAL, SoundWriter(path, kind, source.rate, source.channels))
        except BaseException as error:
            self._stack.__exit__(type(error), error, error.__traceback__)
            raise

    def _free(self, folder: Path, name: str, suffix: str) -> Path:
        path = folder / f"{self._source.path.stem}.{name}{suffix}"
        if path.exists() and path.samefile(self._source.path):
            raise BadInput("output", "another file than the input", str(path))
        return path

    def _add(self, track: str, writer: SoundWriter) -> None:
        self.all.append((track, self._stack.enter_context(writer)))

    def write(self, track: str, samples: Any) -> None:
        """Append to every file of a track."""
        for name, writer in self.all:
            if name == track:
                writer.write(samples)
        if track == self.all[0][0]:
            self.written += samples.shape[1]

    def finish(self) -> None:
        """Write all of them to the end before the first gets its name.

        Raises:
            OutputError: the disk refuses.
        """
        for _, writer in self.all:
            writer.finish()

    def __enter__(self) -> None:
        self._stack.__enter__()

    def __exit__(self, *error: Any) -> None:
        self._stack.__exit__(*error)


def _notes(source: AudioFile, outputs: Sequence[Written]) -> tuple[str, ...]:
    clipped = (f"{one.clipped} samples clipped in {one.path.name}" for one in outputs if one.clipped)
    return (*source.notes, *clipped)
