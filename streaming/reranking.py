"""Several separations of one file, each from other noise, of which the bundle's judge keeps the best of each target.

A whole file is judged, not stretch by stretch: what is kept begins with one noise from end to end, so that no seam
comes in. The candidates are made one after the other, the file being read anew for each. A target's best one so far and
the one that is being made lie in temporary files beside the output, 4 bytes a sample; memory does not grow with the
file.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from engine.activity import ActivityRecord, Sounding
from engine.bundle import Bundle
from engine.config import RESIDUAL
from engine.errors import BadInput
from engine.frames import Samples
from engine.intake import ordinary
from engine.marked_spans import record_for
from engine.offline import separate_blocks
from engine.prompt import Target
from engine.ranking import Ranking, Trial, check_candidates, phrase_of
from engine.targets import understood
from streaming.media_writing import OutputError

Again = Callable[[], Iterator[Samples]]
"""The whole sound once more, in blocks `(channels, n)`."""


class Reranking:
    """See the module.

    Args:
        bundle: with a judge.
        targets: what to isolate, each id once.
        candidates: how many to make of each; the first is what one would get without the others.
        predict_spans: also find out where the kept ones sound.

    Raises:
        BadInput: field `reranking_candidates`: too many, no judge, or a target without words that it could read.
    """

    def __init__(self, bundle: Bundle, targets: Sequence[Target], candidates: int, predict_spans: bool = False) -> None:
        check_candidates(bundle, candidates)
        self._concepts = {target.id: understood(target, bundle.vocabulary) for target in targets}
        for concepts in self._concepts.values():
            phrase_of(bundle, concepts)
        self._bundle, self._targets, self._candidates = bundle, tuple(targets), candidates
        self._predict_spans = predict_spans
        self.rankings = {target.id: Ranking() for target in targets}
        """What the judge said, by target id."""
        self._records: dict[str, ActivityRecord] = {}
        self._made = 0

    def separated(
        self,
        again: Again,
        sound: Iterable[Samples],
        rate: int,
        channels: int,
        folder: Path,
        residual: bool = True,
        told: Callable[[float], None] = lambda done_s: None,
    ) -> Iterator[dict[str, Samples]]:
        """The best candidate of each target, once all of them are made; as `separate_blocks` gives it.

        Args:
            again: asked for once a candidate.
            sound: the same once more, read at the end.
            rate: Hz.
            folder: where the temporary files lie.
            residual: also give the input less the targets.
            told: called with the seconds of sound that are done, as if it were made only once.

        Raises:
            OutputError: the disk refuses.
            BadInput, EngineFault: as `separate_blocks`.
        """
        with ExitStack() as stack:
            best: dict[str, _Sound] = {}
            for seed in range(self._candidates):
                made = {name: stack.enter_context(_Sound(folder, channels)) for name in self._concepts}
                for count in self._make(seed, again, rate, channels, made):
                    told(count / rate / self._candidates)
                for name, file in made.items():
                    lost: _Sound | None = file
                    if self.rankings[name].best == seed:
                        lost = best.pop(name, None)
                        best[name] = file
                    if lost is not None:
                        lost.close()
            for file in best.values():
                file.rewind()
            yield from self._read(best, sound, residual)

    def spans(self, end_s: float) -> dict[str, tuple[Sounding, ...]]:
        """Where the kept candidate of each target sounds, nothing beyond `end_s`; see `ActivityRecord.spans`."""
        return {name: record.spans(end_s).get(name, ()) for name, record in self._records.items()}

    def _make(self, seed: int, again: Again, rate: int, channels: int, sounds: Mapping[str, _Sound]) -> Iterator[int]:
        """One candidate of each target into `sounds`, and its scores; yields how many samples are made, all in all."""
        trials = {name: Trial(self._bundle, concepts, rate) for name, concepts in self._concepts.items()}
        targets = tuple(replace(target, seed=seed) for target in self._targets)
        record = record_for(self._bundle) if self._predict_spans else None

        def heard() -> Iterator[Samples]:
            for block in again():
                for trial in trials.values():
                    trial.feed(mix=ordinary(block)[0])
                yield block

        for parts in separate_blocks(self._bundle, heard(), rate, channels, targets, residual=False, record=record):
            for track, samples in parts.items():
                name = track.removesuffix("/target")
                sounds[name].write(samples)
                trials[name].feed(separated=samples)
                self._made += samples.shape[1]
            yield self._made // len(targets)
        for name, trial in trials.items():
            self.rankings[name].scores.append(trial.verdict())
            if record is not None and self.rankings[name].best == seed:
                self._records[name] = record

    def _read(
        self, sounds: Mapping[str, _Sound], blocks: Iterable[Samples], residual: bool
    ) -> Iterator[dict[str, Samples]]:
        # Targets that ask for the same hold the same sound, which is taken once.
        concepts = {(frozenset(one.labels), one.inverted): name for name, one in self._concepts.items()}
        for block in blocks:
            parts = {name: sound.read(block.shape[1]) for name, sound in sounds.items()}
            made = {f"{name}/target": samples for name, samples in parts.items()}
            if residual:
                taken = np.sum([parts[name] for name in concepts.values()], axis=0, dtype=np.float32)
                made[RESIDUAL] = ordinary(block)[0] - taken
            yield made


class _Sound:
    """A temporary file of samples, which nobody sees and which is gone when it is closed.

    Raises:
        OutputError: it cannot be made.
    """

    def __init__(self, folder: Path, channels: int) -> None:
        self._folder, self._channels = folder, channels
        with self._refusals():
            self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 (its life is this object's)

    def write(self, samples: Samples) -> None:
        """Append `(channels, n)` float32.

        Raises:
            OutputError: the disk refuses.
        """
        with self._refusals():
            self._file.write(samples.T.astype(np.float32).tobytes())

    def rewind(self) -> None:
        """Read from the first sample on.

        Raises:
            OutputError: the disk refuses what was written last.
        """
        with self._refusals():
            self._file.seek(0)

    def read(self, count: int) -> Samples:
        """The next samples, `(channels, count)`.

        Raises:
            BadInput: there are not so many: the input has grown since they were made.
        """
        with self._refusals():
            data = self._file.read(4 * self._channels * count)
        samples = np.frombuffer(data, np.float32).reshape(-1, self._channels).T
        if samples.shape[1] != count:
            raise BadInput("file", "a file that nobody writes to meanwhile", "another length than before")
        return samples

    def close(self) -> None:
        """Forget it; idempotent."""
        with suppress(OSError):  # buffered bytes that did not fit are meant to go
            self._file.close()

    @contextmanager
    def _refusals(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise OutputError(self._folder, error.strerror or str(error)) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
