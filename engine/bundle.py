"""A model folder, opened: spec, vocabulary, runtime and the program that drives it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from numpy.typing import ArrayLike

from engine.errors import BadInput, BundleError
from engine.lexicon import lexicon_for
from engine.open_vocabulary import OpenVocabulary
from engine.programs.base import Program
from engine.programs.flow_audio import FlowProgram
from engine.programs.flow_field import WATERMARK
from engine.programs.mask import MaskProgram
from engine.runtimes.base import BUCKETS, Runtime
from engine.runtimes.graphs import Graphs
from engine.runtimes.identity import IdentityRuntime
from engine.spec import DEFAULT_MODEL, MODELS_FOLDER, SPEC_FILE, ModelSpec, load_spec
from engine.vocabulary import Vocabulary

WARM_HOPS = (1, 2)
"""Lengths warmed for every bucket; longer ones occur only behind a backlog or in files."""

MOST_WATERMARK = 2**16 - 1
"""Its message has sixteen bits."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """What `load_bundle` gives. `provider_note` must be shown to a person where it is not None."""

    folder: Path
    spec: ModelSpec
    vocabulary: Vocabulary
    runtime: Runtime | Graphs
    program: Program

    @property
    def masking(self) -> MaskProgram:
        """The program of a bundle whose program is `mask`, for whoever looks inside it.

        Raises:
            BundleError: it is another one.
        """
        if not isinstance(self.program, MaskProgram):
            raise BundleError(self.folder, "program", f"expected mask, got {self.spec.program}")
        return self.program

    @property
    def provider(self) -> str:
        """What the graph really runs on."""
        return self.runtime.provider

    @property
    def provider_note(self) -> str | None:
        """See the class."""
        return self.runtime.note

    def with_concepts(self, vectors: Mapping[str, ArrayLike]) -> Bundle:
        """This bundle with further concepts from another text encoder: see `Vocabulary.query`.

        Graph, state and slots are shared with this one, so that sessions of both run in one batch; a lexicon is built
        for each set of labels (some 50 ms on the first prompt).

        Raises:
            BadInput: as `Vocabulary.with_concepts`.
        """
        return replace(self, vocabulary=self.vocabulary.with_concepts(vectors))


@dataclass(frozen=True, slots=True)
class Listed:
    """A bundle as `list_bundles` found it: its spec, or why it cannot be used (`name` is then its folder's)."""

    name: str
    folder: Path
    spec: ModelSpec | None
    error: BundleError | None


def find_bundle(name_or_folder: str | Path) -> Path:
    """Folder of an embedded model's name (`default`, `linear192`) or of a path.

    Raises:
        BundleError: neither.
    """
    name = DEFAULT_MODEL if str(name_or_folder) == "default" else str(name_or_folder)
    for folder in (MODELS_FOLDER / name, Path(name)):
        if (folder / SPEC_FILE).is_file():
            return folder
    names = ", ".join(sorted(path.parent.name for path in MODELS_FOLDER.glob(f"*/{SPEC_FILE}")))
    raise BundleError(name_or_folder, SPEC_FILE, f"no such model; a folder with {SPEC_FILE}, or one of: {names}")


def load_bundle(
    name_or_folder: str | Path = "default",
    *,
    provider: str = "auto",
    threads: int = 1,
    clock: Callable[[], float] = time.perf_counter,
    warm_batch: int = 0,
    mode: str | None = None,
    watermark: int | None = None,
) -> Bundle:
    """Open a bundle.

    Args:
        name_or_folder: an embedded model's name or a folder.
        provider: see `runtimes.onnx.open_session`.
        threads: threads of one model call.
        clock: monotonic seconds.
        warm_batch: run every batch size up to this once before returning (with modes: one whole window).
        mode: of a bundle with modes; None: its default one.
        watermark: sixteen bits, 0 to 65535, that a bundle which marks its sound puts into it; None: 0.

    Raises:
        BundleError, TamperedBundle: the folder cannot be used; names the field.
        EngineFault: the provider asked for does not run.
        BadInput: field `mode`: the bundle has no such mode; field `watermark`: no such number, or it marks nothing.
    """
    folder = find_bundle(name_or_folder)
    spec = load_spec(folder)
    _check_watermark(watermark, spec)
    if mode is not None:
        spec = spec.in_mode(mode)
    if spec.program == "flow_audio":
        return _flow_bundle(folder, spec, provider, threads, clock, warm=warm_batch > 0, message=watermark or 0)
    vocabulary = Vocabulary.load(folder, spec)
    runtime: Runtime
    if spec.runtime == "identity":
        runtime = IdentityRuntime()
    else:
        from engine.runtimes.onnx import OnnxRuntime  # the identity model must run without ONNX Runtime

        runtime = OnnxRuntime(folder, spec, provider, threads)
    if warm_batch:
        lexicon_for(vocabulary.labels).prepare()  # built on first use otherwise: in the first sessions' hops
        runtime.warm(tuple(size for size in BUCKETS if size <= warm_batch), WARM_HOPS)
    return Bundle(folder, spec, vocabulary, runtime, MaskProgram(spec, runtime, clock))


def _check_watermark(message: int | None, spec: ModelSpec) -> None:
    if message is None:
        return
    if not 0 <= message <= MOST_WATERMARK:
        raise BadInput("watermark", f"a number from 0 to {MOST_WATERMARK}", message)
    if WATERMARK not in spec.graphs:
        raise BadInput("watermark", "none: this model marks nothing into its sound", message)


def _flow_bundle(
    folder: Path, spec: ModelSpec, provider: str, threads: int, clock: Callable[[], float], warm: bool, message: int
) -> Bundle:
    from engine.runtimes.onnx_graphs import OnnxGraphs  # as above

    graphs = OnnxGraphs(folder, spec.graphs, provider, threads, first="velocity")
    program = FlowProgram(spec, folder, graphs, clock, message=message)
    if warm:
        program.warm()
    return Bundle(folder, spec, OpenVocabulary(program.sees, program.hears), graphs, program)


def mode_for_files(name_or_folder: str | Path, mode: str | None) -> str | None:
    """The mode in which a bundle separates files: the one asked for, else what its spec says, None without modes.

    Raises:
        BundleError: the folder cannot be used.
        BadInput: field `mode`: the bundle has no such mode.
    """
    spec = load_spec(find_bundle(name_or_folder))
    if mode is not None:
        return spec.in_mode(mode).mode
    return None if spec.flow is None else spec.flow.file_mode


def list_bundles(folders: tuple[Path, ...] = (MODELS_FOLDER,)) -> list[Listed]:
    """Every bundle in `folders`, by name; broken ones with their error."""
    return [
        listed(path.parent) for path in sorted(spec for folder in folders for spec in folder.glob(f"*/{SPEC_FILE}"))
    ]


def listed(folder: Path) -> Listed:
    """One bundle, as `list_bundles` gives it."""
    try:
        spec = load_spec(folder)
    except BundleError as error:
        return Listed(folder.resolve().name, folder, None, error)
    return Listed(spec.name, folder, spec, None)
