"""The contract between export and engine: what a model bundle says of itself.

A bundle is a folder: `spec.json`, the graphs, `CARD.md`, and for a program with a fixed vocabulary `concepts.json` and
`concept_vectors.npy`, for one that reads any words `tokenizer.json`. Export writes the spec beside the graphs; the
engine reads it and derives every length and latency from it. No other file computes one.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from engine.errors import BadInput, BundleError, TamperedBundle

SPEC_FILE = "spec.json"
MODELS_FOLDER = Path(__file__).parent / "models"
"""Where the embedded bundles live."""

DEFAULT_MODEL = "linear192"

NAME_PATTERN = r"^[a-z0-9][a-z0-9_.-]{0,63}$"
"""What a bundle may be called."""

MODE_ALIASES = {"fast": "low_latency"}
"""What others call a mode → its name in `FlowSpec.modes`."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class AudioSpec(_Frozen):
    """Lengths of the model's view of sound, in samples at `sample_rate`.

    A window is `history + hop + crossfade + lookahead`. The hop that covers samples `[p, p + hop)` is complete once the
    window that begins at `p - history` was run, and carries pts `p`.
    """

    sample_rate: int = Field(ge=8000, le=192000)
    window: int = Field(gt=0)
    hop: int = Field(gt=0)
    crossfade: int = Field(ge=0)
    lookahead: int = Field(default=0, ge=0)
    frame: int | None = Field(default=None, gt=0)
    """Samples of one latent frame of a program that hears its past in every window anew; None for one that remembers
    it in a state. All lengths are then whole frames."""

    @model_validator(mode="after")
    def _lengths_fit(self) -> AudioSpec:
        if self.latency > self.window:
            raise ValueError(f"window {self.window} is shorter than hop + crossfade + lookahead {self.latency}")
        if any(length % (self.frame or 1) for length in (self.window, self.hop, self.crossfade, self.lookahead)):
            raise ValueError(f"window, hop, crossfade and lookahead must be whole frames of {self.frame}")
        return self

    @property
    def grain(self) -> int:
        """Samples for which one activity hint holds: a latent frame, or a hop."""
        return self.frame or self.hop

    @property
    def latency(self) -> int:
        """Algorithmic delay in samples: the hop at `p` leaves on the push that completes sample `p + latency`."""
        return self.hop + self.crossfade + self.lookahead

    @property
    def history(self) -> int:
        """Past samples in a window before the ones that come out."""
        return self.window - self.latency

    @property
    def hop_s(self) -> float:
        """Length of a hop in seconds."""
        return self.hop / self.sample_rate

    @property
    def latency_s(self) -> float:
        """Algorithmic delay in seconds."""
        return self.latency / self.sample_rate


class StateSpec(_Frozen):
    """One recurrent state of a graph: `shape` without the batch axis inserted at `batch_axis`."""

    name: str
    output: str
    shape: tuple[int, ...]
    batch_axis: int = Field(ge=0)


class FlowMode(_Frozen):
    """One compromise of a `flow_audio` bundle between quality, latency and cost.

    A window is `context_s` of the past, the hop that comes out, and `crossfade_s + lookahead_s` of what follows it;
    from noise to sound it takes `steps` equal steps of `solver`.
    """

    context_s: float = Field(ge=0)
    hop_s: float = Field(gt=0)
    lookahead_s: float = Field(ge=0)
    crossfade_s: float = Field(default=0.0, ge=0)
    solver: Literal["midpoint", "euler"] = "midpoint"
    steps: int = Field(gt=0, le=1000)


class PlanLimits(_Frozen):
    """What the bundle's TensorRT plans (`velocity@FRAMES`) were built for at most; beyond it the plain graph runs.

    The defaults are those of the exporter, and of bundles from before it wrote them down.
    """

    most_rows: int = Field(default=16, gt=0)
    """Rows of one call."""
    most_tokens: int = Field(default=64, gt=0)
    """Tokens of the longest prompt in it: prompts are phrases of a few words."""


class FlowSpec(_Frozen):
    """What a `flow_audio` bundle says beyond any other: sizes of its graphs' tensors, and its modes.

    `frame` is in samples of `sample_rate`, the margins in frames: with so much true sound on each side a piece is
    encoded or decoded as it would be inside the whole.
    """

    sample_rate: int = Field(default=48_000, ge=8000, le=192_000)
    frame: int = Field(gt=0)
    latent: int = Field(gt=0)
    video: int = Field(gt=0)
    text: int = Field(gt=0)
    anchors: dict[str, int]
    encoder_margin: int = Field(ge=0)
    decoder_margin: int = Field(ge=0)
    max_tokens: int = Field(gt=0)
    plans: PlanLimits = PlanLimits()
    modes: dict[str, FlowMode]
    default_mode: str
    file_mode: str

    @model_validator(mode="after")
    def _modes_exist(self) -> FlowSpec:
        for name in (self.default_mode, self.file_mode):
            if name not in self.modes:
                raise ValueError(f"mode {name!r} is not one of {sorted(self.modes)}")
        if missing := {"null", "+", "-", "pad"} - set(self.anchors):
            raise ValueError(f"anchors lack {sorted(missing)}")
        return self

    def audio(self, mode: str) -> AudioSpec:
        """Lengths of a mode: each rounded up to whole frames, a crossfade never longer than the hop.

        Raises:
            KeyError: no such mode.
        """
        asked = self.modes[mode]
        context, hop, lookahead, crossfade = (
            self.frame * -(-round(seconds * self.sample_rate) // self.frame)
            for seconds in (asked.context_s, asked.hop_s, asked.lookahead_s, asked.crossfade_s)
        )
        crossfade = min(crossfade, hop)
        # The decoder must see true latents on both sides of what comes out.
        lookahead = max(lookahead, self.decoder_margin * self.frame)
        return AudioSpec(
            sample_rate=self.sample_rate, window=context + hop + crossfade + lookahead, hop=hop, crossfade=crossfade,
            lookahead=lookahead, frame=self.frame,
        )  # fmt: skip


class ModelSpec(_Frozen):
    """Everything the engine must know of a bundle before it opens a graph.

    `artifacts` maps each file of the bundle to its SHA-256; `spec.json` itself is not among them. A bundle with modes
    (`flow`) needs no `audio`: it is that of `mode`, which is the default one where the file names none.
    """

    format: Literal[1] = 1
    name: str = Field(pattern=NAME_PATTERN)
    version: str
    description: str
    licence: str
    program: Literal["mask", "flow_audio"]
    runtime: Literal["onnx", "identity"]
    audio: AudioSpec
    bins: int = Field(default=0, gt=0)
    """`mask`: spectrum bins that enter the graph; the ones above (Nyquist) are zero in every estimate."""
    query_size: int = Field(default=0, gt=0)
    """`mask`: numbers in a query."""
    flow: FlowSpec | None = None
    """`flow_audio`: see the class."""
    mode: str | None = None
    """`flow_audio`: the mode that `audio` belongs to."""
    states: tuple[StateSpec, ...] = ()
    graphs: dict[str, str] = {}
    """Graph name (`separator`) to file."""
    artifacts: dict[str, str] = {}
    parity: dict[str, float] = {}
    """What the exporter measured between torch and the graph; the numbers' names say what."""

    @model_validator(mode="before")
    @classmethod
    def _audio_of_the_mode(cls, data: Any) -> Any:
        if not isinstance(data, Mapping) or data.get("flow") is None:
            return data
        flow = FlowSpec.model_validate(data["flow"])
        mode = data.get("mode") or flow.default_mode
        if mode not in flow.modes:
            raise ValueError(f"mode {mode!r} is not one of {sorted(flow.modes)}")
        return {**data, "flow": flow, "mode": mode, "audio": flow.audio(mode)}

    @model_validator(mode="after")
    def _has_what_its_program_needs(self) -> ModelSpec:
        if self.program == "mask" and not (self.bins and self.query_size):
            raise ValueError("a mask program needs bins and query_size")
        if self.program == "mask" and not self.audio.window == 2 * self.audio.hop == 2 * self.audio.crossfade:
            # What its tapers are made for: see `overlap_add.root_hann`.
            raise ValueError("audio: a mask program needs hop = crossfade = window / 2")
        if self.bins > self.audio.window // 2 + 1:
            raise ValueError(f"bins: a window of {self.audio.window} has {self.audio.window // 2 + 1} of them")
        if (self.program == "flow_audio") != (self.flow is not None):
            raise ValueError("program flow_audio and the field flow go together")
        return self

    @property
    def modes(self) -> tuple[str, ...]:
        """Names that `in_mode` takes, without aliases; empty for a program without modes."""
        return () if self.flow is None else tuple(self.flow.modes)

    def in_mode(self, name: str) -> ModelSpec:
        """This spec with the lengths of a mode (or of what `MODE_ALIASES` calls so).

        Raises:
            BadInput: field `mode`: there is no such mode.
        """
        found = name if name in self.modes else MODE_ALIASES.get(name, name)
        if self.flow is None or found not in self.flow.modes:
            raise BadInput("mode", f"one of {', '.join(self.modes)}" if self.modes else "a model with modes", name)
        return self.model_copy(update={"mode": found, "audio": self.flow.audio(found)})


def sha256_of(path: Path) -> str:
    """SHA-256 of a file as 64 hex digits.

    Raises:
        OSError: the file cannot be read.
    """
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def load_spec(folder: Path) -> ModelSpec:
    """Read and check a bundle's spec, and every file that it names.

    Raises:
        BundleError: spec missing or not valid, or a file missing; names the field.
        TamperedBundle: a file's SHA-256 is not the one written in the spec.
    """
    path = folder / SPEC_FILE
    try:
        spec = ModelSpec.model_validate(json.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise BundleError(folder, SPEC_FILE, f"cannot be read ({error.strerror})") from error
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise BundleError(folder, SPEC_FILE, f"is not JSON ({error})") from error
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"]) or SPEC_FILE
        said = first["msg"].removeprefix("Value error, ")
        got = "" if isinstance(first["input"], dict) else f", got {first['input']!r}"
        raise BundleError(folder, field, f"{said}{got}"[:300]) from error
    _check_artifacts(folder, spec)
    return spec


def _check_artifacts(folder: Path, spec: ModelSpec) -> None:
    for graph, file in spec.graphs.items():
        if file not in spec.artifacts:
            raise BundleError(folder, f"graphs.{graph}", f"file {file!r} has no SHA-256 in artifacts")
    for file, expected in spec.artifacts.items():
        path = folder / file
        if path.resolve().parent != folder.resolve():
            raise BundleError(folder, f"artifacts.{file}", "lies outside the bundle")
        if not path.is_file():
            raise BundleError(folder, f"artifacts.{file}", "file is missing")
        if (got := sha256_of(path)) != expected:
            raise TamperedBundle(folder, f"artifacts.{file}", f"SHA-256 is {got}, the spec says {expected}")


def write_spec(folder: Path, spec: ModelSpec, files: tuple[str, ...]) -> ModelSpec:
    """Write `spec.json` with the SHA-256 of each of `files` (names inside `folder`); returns what was written.

    Raises:
        OSError: a file cannot be read or the spec not written.
    """
    complete = spec.model_copy(update={"artifacts": {name: sha256_of(folder / name) for name in files}})
    unused = {name for name in ("bins", "query_size", "flow", "mode") if not getattr(complete, name)}
    if complete.flow is not None:
        unused |= {"audio", "mode"}  # they follow from the modes
    text = json.dumps(complete.model_dump(mode="json", exclude=unused), indent=2) + "\n"
    (folder / SPEC_FILE).write_text(text, encoding="utf-8")
    return complete
