"""The contract between export and engine: what a model bundle says of itself.

A bundle is a folder: `spec.json`, the graphs, `concepts.json`, `concept_vectors.npy`, `CARD.md`. Export writes the
spec beside the graphs; the engine reads it and derives every length and latency from it. No other file computes one.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from engine.errors import BundleError, TamperedBundle

SPEC_FILE = "spec.json"
MODELS_FOLDER = Path(__file__).parent / "models"
"""Where the embedded bundles live."""

DEFAULT_MODEL = "linear192"


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

    @model_validator(mode="after")
    def _lengths_fit(self) -> AudioSpec:
        if self.latency > self.window:
            raise ValueError(f"window {self.window} is shorter than hop + crossfade + lookahead {self.latency}")
        return self

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


class ModelSpec(_Frozen):
    """Everything the engine must know of a bundle before it opens a graph.

    `artifacts` maps each file of the bundle to its SHA-256; `spec.json` itself is not among them.
    """

    format: Literal[1] = 1
    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_.-]{0,63}$")
    version: str
    description: str
    licence: str
    program: Literal["mask"]
    runtime: Literal["onnx", "identity"]
    audio: AudioSpec
    bins: int = Field(gt=0)
    """Spectrum bins that enter the graph; the ones above (Nyquist) are zero in every estimate."""
    query_size: int = Field(gt=0)
    states: tuple[StateSpec, ...] = ()
    graphs: dict[str, str] = {}
    """Graph name (`separator`) to file."""
    artifacts: dict[str, str] = {}
    parity: dict[str, float] = {}
    """What the exporter measured between torch and the graph; the numbers' names say what."""


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
        raise BundleError(folder, field, f"{first['msg']}, got {first['input']!r}"[:300]) from error
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
    text = json.dumps(complete.model_dump(mode="json"), indent=2) + "\n"
    (folder / SPEC_FILE).write_text(text, encoding="utf-8")
    return complete
