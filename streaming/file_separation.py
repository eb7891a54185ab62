"""`winnow separate`: one file in, one file per target and for the residual out, in constant memory."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

from engine.activity import ActivityRecord, Sounding
from engine.bundle import Bundle
from engine.concepts import ConceptSet
from engine.config import RESIDUAL
from engine.errors import BadInput
from engine.frames import Samples
from engine.marked_spans import record_for
from engine.offline import separate_blocks
from engine.prompt import Span, Target
from engine.ranking import Ranking, check_candidates
from engine.targets import understood as understand
from streaming.file_report import Report, Written
from streaming.mask_video import MaskedPictures
from streaming.media_reading import AudioFile, open_audio
from streaming.media_writing import SOUND_FORMATS, SoundWriter, VideoWriter, made_folder, video_suffix
from streaming.reranking import Reranking

_SPAN = re.compile(r"^([+-]?)(\d+(?:\.\d*)?|\.\d+):(\d+(?:\.\d*)?|\.\d+)$")
_LONGEST_NAME = 60


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
    reranking_candidates: int = 1,
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
        reranking_candidates: how many separations of each target to make, each from other noise (1 to 8), of which the
            bundle's judge keeps the best.
        progress: called with seconds done and seconds in all (None: unknown).

    Raises:
        BadInput, UnknownPrompt: nothing was written.
        OutputError: the disk refuses; nothing is left under a final name that is not whole.
        EngineFault: a model step failed.
    """
    if kind not in SOUND_FORMATS:
        raise BadInput("format", " or ".join(SOUND_FORMATS), kind)
    targets = _targets(prompts, spans, pictures, predict_spans, bundle)
    check_candidates(bundle, reranking_candidates)
    understood = {target.id: understand(target, bundle.vocabulary) for target in targets}
    several = reranking_candidates > 1
    reranking = Reranking(bundle, targets, reranking_candidates, predict_spans) if several else None
    began_s = time.perf_counter()
    with open_audio(file) as source:
        if pictures is not None:
            pictures.start_s = source.start_s
        folder = made_folder(folder or source.path.parent)
        writers = _Writers(source, folder, kind, targets, residual, video)
        record = record_for(bundle) if predict_spans else None

        def told(done_s: float) -> None:
            if progress is not None:
                progress(done_s, source.duration_s)

        sound = (source.blocks(), source.rate, source.channels)
        if reranking is None:
            pieces = separate_blocks(bundle, *sound, targets, residual, record=record)
        else:
            again = partial(_again, source.path, pictures)
            pieces = reranking.separated(again, *sound, folder, residual, told)
        with writers:
            for made in pieces:
                writers.write(made)
                if reranking is None:  # which tells of its own passes
                    told(writers.written / source.rate)
            writers.finish()
        heard = {} if record is None else _spans(reranking or record, understood, source)
        rankings = {} if reranking is None else reranking.rankings
        outputs = _outputs(writers, targets, understood, bundle, heard, rankings)
        notes = (*_beyond(spans, source), *_notes(source, outputs), *(() if pictures is None else pictures.notes))
        return _report(source, bundle, understood, outputs, notes, began_s)


def _targets(
    prompts: Sequence[str], spans: Sequence[Span], pictures: MaskedPictures | None, predict_spans: bool, bundle: Bundle
) -> tuple[Target, ...]:
    """A target for each prompt.

    Raises:
        BadInput: the model cannot do what is asked.
    """
    if pictures is not None and len(prompts) > 1:
        raise BadInput("mask_video", "one prompt beside it", f"{len(prompts)} prompts")
    if predict_spans and not bundle.vocabulary.tells_activity:
        raise BadInput("predict_spans", "a model that tells when a target sounds", bundle.spec.name)
    return tuple(
        Target(name, prompt, tuple(spans), pictures=pictures, predict_spans=predict_spans)
        for name, prompt in zip(file_names(prompts), prompts, strict=True)
    )


def _again(path: Path, pictures: MaskedPictures | None) -> Iterator[Samples]:
    """A file's sound from its beginning, with the pictures that are read along with it."""
    if pictures is not None:
        pictures.rewind()
    with open_audio(path) as source:
        yield from source.blocks()


def _outputs(
    writers: _Writers,
    targets: Sequence[Target],
    understood: dict[str, ConceptSet],
    bundle: Bundle,
    heard: dict[str, tuple[Sounding, ...]],
    rankings: Mapping[str, Ranking],
) -> tuple[Written, ...]:
    """What lies in each file; `understood`, `heard` and `rankings` by target."""
    answers = {name: bundle.vocabulary.understood(concepts) for name, concepts in understood.items()}
    prompts = {target.id: target.prompt for target in targets}
    outputs = []
    for track, writer in writers.all:
        name = track.removesuffix("/target")
        prompt, answer = prompts.get(name, ""), answers.get(name)
        told = (heard.get(name), rankings.get(name))
        outputs.append(Written(track, prompt, answer, writer.path, writer.clipped, *told))
    return tuple(outputs)


def _report(
    source: AudioFile,
    bundle: Bundle,
    understood: dict[str, ConceptSet],
    outputs: tuple[Written, ...],
    notes: Sequence[str],
    began_s: float,
) -> Report:
    cautions = (bundle.vocabulary.caution(concepts) for concepts in understood.values())
    notes = (*(caution for caution in cautions if caution), *notes)
    return Report(
        source.path, source.samples_read / source.rate, source.samples_read, source.rate, source.channels,
        bundle.spec.name, bundle.provider, time.perf_counter() - began_s, outputs, notes,
    )  # fmt: skip


def _spans(
    heard: ActivityRecord | Reranking, understood: dict[str, ConceptSet], source: AudioFile
) -> dict[str, tuple[Sounding, ...]]:
    found = heard.spans(source.samples_read / source.rate)
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

    def write(self, made: Mapping[str, Samples]) -> None:
        """Append to every file of each track."""
        for name, writer in self.all:
            if name in made:
                writer.write(made[name])
        if (first := made.get(self.all[0][0])) is not None:
            self.written += first.shape[1]

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


def _beyond(spans: Sequence[Span], source: AudioFile) -> Iterator[str]:
    """What is to be said of spans that the sound does not reach; as in a live session, they are no mistake."""
    end_s = source.samples_read / source.rate
    for span in spans:
        if span.end_s > end_s:
            part = "all" if span.start_s >= end_s else "a part"
            text = f"{'+' if span.include else '-'}{span.start_s:g}:{span.end_s:g}"
            yield f"{part} of the span {text} lies after the sound, which ends at {end_s:.2f} s"


def _notes(source: AudioFile, outputs: Sequence[Written]) -> tuple[str, ...]:
    clipped = (f"{one.clipped} samples clipped in {one.path.name}" for one in outputs if one.clipped)
    return (*source.notes, *clipped)
