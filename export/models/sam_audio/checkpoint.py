"""Weights of a checkpoint folder, read part by part and strictly.

A part (`audio_codec`, `vision_encoder.model.visual` …) takes what lies under its own prefix: all of it must have a
place, nothing may be missing, every shape must fit. What lies under prefixes that no part has asked for is skipped and
can be reported. Weight norm may be spelled in the old way (`weight_g`, `weight_v`) or in that of newer PyTorch
(`parametrizations.weight.original0`, `original1`). bfloat16 and float16 files load as float32.
"""

from __future__ import annotations

import pickle
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from export.errors import MissingDependency
from export.models.sam_audio.errors import CheckpointError, MissingKeys, UnexpectedKeys, WrongKind, WrongShape

_FLOATING = (torch.float64, torch.float32, torch.float16, torch.bfloat16)
"""Without float8, whose numbers need a scale that lies elsewhere."""
_FLOATING_STORED = ("F64", "F32", "F16", "BF16")
"""The same as safetensors writes them."""
_SPELLINGS = {"parametrizations.weight.original0": "weight_g", "parametrizations.weight.original1": "weight_v"}


class Header(NamedTuple):
    """What is known of a weight without reading it."""

    shape: tuple[int, ...]
    kind: str
    floating: bool


class Checkpoint(Mapping[str, Tensor]):
    """Weights by their name in the old spelling; a tensor is read from the disk when it is asked for."""

    def __init__(self, source: str, stored: Mapping[str, Tensor]) -> None:
        self.source = source
        self._stored = stored
        self._names: dict[str, str] = {}
        for name in stored:
            spelled = _old_spelling(name)
            if spelled in self._names:
                raise CheckpointError(f"{source}: {name} and {self._names[spelled]} are the same weight")
            self._names[spelled] = name

    @classmethod
    def open(cls, folder: Path) -> Checkpoint:
        """`*.safetensors` or `checkpoint.pt` of a folder; the first where both are there.

        Raises:
            CheckpointError: neither is there, or the file cannot be read as what it says it is.
            MissingDependency: a safetensors file, and no package to read it.
        """
        shards = sorted(folder.glob("*.safetensors"))
        if shards:
            return cls(str(folder), _SafetensorsFiles(shards))
        path = folder / "checkpoint.pt"
        if not path.is_file():
            raise CheckpointError(f"{folder}: neither checkpoint.pt nor a .safetensors file")
        try:
            # weights_only: a checkpoint is data from elsewhere and must not run anything here. PyTorch's format of
            # before 1.6 is no zip archive, cannot be mapped, and comes into memory as a whole.
            state = torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
        except pickle.UnpicklingError as error:  # its own words advise to load it unsafely
            raise CheckpointError(f"{path}: damaged, or holds more than weights; nothing in it was run") from error
        except Exception as error:
            raise CheckpointError(f"{path}: {error}") from error
        if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
            raise CheckpointError(f"{path}: expected a dictionary of tensors")
        return cls(str(path), state)

    def __getitem__(self, name: str) -> Tensor:
        return self._stored[self._names[name]]

    def __contains__(self, name: object) -> bool:
        return name in self._names  # Mapping's own would read the weight

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def header(self, name: str) -> Header:
        """Shape and type of a weight; the weight itself is not read from the disk."""
        stored = self._names[name]
        if isinstance(self._stored, _SafetensorsFiles):
            return self._stored.header(stored)
        weight = self._stored[stored]
        return Header(tuple(weight.shape), str(weight.dtype).removeprefix("torch."), weight.dtype in _FLOATING)

    def skipped(self, *taken: str) -> dict[str, int]:
        """How many weights lie elsewhere than under the names `taken` (`a`, `a.b`), which no part asks for.

        They are counted under the shortest name that has nothing taken in it.
        """
        counts: dict[str, int] = {}
        for name in self:
            words = name.split(".")
            above = [".".join(words[:count]) for count in range(1, len(words) + 1)]
            if not set(above) & set(taken):
                shortest = next(part for part in above if not any(one.startswith(f"{part}.") for one in taken))
                counts[shortest] = counts.get(shortest, 0) + 1
        return counts

    def require(self, model: nn.Module, prefix: str = "", ignored: tuple[str, ...] = ()) -> None:
        """Whether `load` would find every weight in its shape; reads none.

        Raises:
            MissingKeys, UnexpectedKeys, WrongShape, WrongKind: see `load`.
        """
        wanted = model.state_dict()
        missing = [prefix + name for name in wanted if prefix + name not in self]
        if missing:
            raise MissingKeys(self.source, missing)
        tops = {name.split(".")[0] for name in wanted}
        under = [name for name in self if name.startswith(prefix) and not name.startswith(ignored)]
        strangers = [n for n in under if n[len(prefix) :] not in wanted and n[len(prefix) :].split(".")[0] in tops]
        if strangers:
            raise UnexpectedKeys(self.source, strangers)
        headers = {prefix + name: (place, self.header(prefix + name)) for name, place in wanted.items()}
        bent = [name for name, (place, found) in headers.items() if found.shape != tuple(place.shape)]
        if bent:
            place, found = headers[bent[0]]
            raise WrongShape(bent[0], place.shape, found.shape, len(bent) - 1)
        odd = [name for name, (place, found) in headers.items() if place.is_floating_point() and not found.floating]
        if odd:
            raise WrongKind(self.source, odd, headers[odd[0]][1].kind)

    def load(self, model: nn.Module, prefix: str = "", ignored: tuple[str, ...] = ()) -> None:
        """Fill `model` (built anywhere, the meta device included) with the float32 weights under `prefix`.

        Weights whose names begin with one of `ignored` (the prefix included) need no place.

        Raises:
            MissingKeys: weights of the model that are not there; all are listed.
            UnexpectedKeys: weights under the prefix that the model has no place for.
            WrongShape: the first weight whose shape differs.
            WrongKind: weights that are no floating-point numbers.
        """
        self.require(model, prefix, ignored)
        state = {}
        for name in model.state_dict():
            weight = self[prefix + name]
            state[name] = weight.to(torch.float32) if weight.is_floating_point() else weight
        model.load_state_dict(state, strict=True, assign=True)


class _SafetensorsFiles(Mapping[str, Tensor]):
    """The tensors of one or several safetensors files."""

    def __init__(self, paths: list[Path]) -> None:
        try:
            from safetensors import SafetensorError, safe_open
        except ImportError as error:
            raise MissingDependency("safetensors", "a .safetensors checkpoint", "export") from error
        self._files: dict[str, Any] = {}
        for path in paths:
            try:
                file = safe_open(path, framework="pt")
            except (OSError, SafetensorError) as error:
                raise CheckpointError(f"{path}: {error}") from error
            self._files.update(dict.fromkeys(file.keys(), file))

    def header(self, name: str) -> Header:
        """See `Checkpoint.header`."""
        found = self._files[name].get_slice(name)
        kind: str = found.get_dtype()
        return Header(tuple(found.get_shape()), kind, kind in _FLOATING_STORED)

    def __getitem__(self, name: str) -> Tensor:
        tensor: Tensor = self._files[name].get_tensor(name)
        return tensor

    def __iter__(self) -> Iterator[str]:
        return iter(self._files)

    def __len__(self) -> int:
        return len(self._files)


def _old_spelling(name: str) -> str:
    for new, old in _SPELLINGS.items():
        if name.endswith(new):
            return name[: -len(new)] + old
    return name
