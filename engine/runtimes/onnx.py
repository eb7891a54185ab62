"""A bundle's graph in ONNX Runtime: execution provider, one thread a session, and where the recurrent states live.

On a CPU the states are one numpy bank; a call gathers its slots' slices and scatters the new ones back. On a GPU the
bank stays on the device: the bundle's two little graphs `gather` and `scatter` move slices between bank and batch
there, all three calls bound by IOBinding, and the two banks swap roles after every call.
"""

from __future__ import annotations

from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from engine.errors import BadInput, BundleError, EngineFault
from engine.runtimes.base import Floats, Snapshot, bucket_for
from engine.spec import ModelSpec, StateSpec

PROVIDERS = {
    "tensorrt": "TensorrtExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "cpu": "CPUExecutionProvider",
}
"""Names a person may ask for, best first."""

_PROVIDER_OPTIONS = {
    # ONNX Runtime's own choice, EXHAUSTIVE, times every convolution algorithm anew, for seconds, whenever a window or
    # batch of a new size comes: in the middle of a live stream.
    PROVIDERS["cuda"]: {"cudnn_conv_algo_search": "HEURISTIC"},
}

_OUTPUTS = ("mask", "active")


def refuse_two_builds() -> None:
    """onnxruntime and onnxruntime-gpu install the same files over each other: which one runs is then luck.

    Raises:
        EngineFault: both are installed.
    """
    installed = {name for name in ("onnxruntime", "onnxruntime-gpu") if _is_installed(name)}
    if len(installed) == 2:
        raise EngineFault(
            "both onnxruntime and onnxruntime-gpu are installed and overwrite each other; uninstall both, "
            "then install winnow-live[cpu] or winnow-live[gpu]"
        )


def _is_installed(distribution: str) -> bool:
    try:
        metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return False
    return True


def open_session(
    path: Path, provider: str, options: ort.SessionOptions, tensorrt: bool = True
) -> tuple[ort.InferenceSession, str | None]:
    """Open a graph on the best provider: `auto` tries TensorRT (with `tensorrt`), CUDA, CPU; a name takes that one or
    fails.

    What counts is `session.get_providers()`: ONNX Runtime falls back to the CPU without an error when CUDA's libraries
    do not load.

    Returns:
        The session, and what a person should be told of the choice (None where there is nothing to tell).

    Raises:
        BadInput: field `provider`: an unknown name.
        EngineFault: the provider asked for by name does not run.
    """
    if provider not in ("auto", *PROVIDERS):
        raise BadInput("provider", f"one of auto, {', '.join(PROVIDERS)}", provider)
    offered = ort.get_available_providers()
    wanted = [name for key, name in PROVIDERS.items() if name in offered and (tensorrt or key != "tensorrt")]
    if provider != "auto":
        wanted = [PROVIDERS[provider]]
        if wanted[0] not in offered:
            raise EngineFault(f"provider {provider!r} is not in this build of ONNX Runtime (it has {offered})")
    refused: list[str] = []
    for name in wanted:
        session = ort.InferenceSession(str(path), options, providers=[(name, _PROVIDER_OPTIONS.get(name, {}))])
        if session.get_providers()[0] == name:
            note = f"{', '.join(refused)} did not load; running on {name}, much slower" if refused else None
            return session, note
        refused.append(name)
    raise EngineFault(f"none of {wanted} runs; ONNX Runtime fell back to {session.get_providers()}")


class OnnxRuntime:
    """The `separator` graph of a bundle on one device (see `base.Runtime`).

    Args:
        folder: the bundle.
        spec: its spec, already checked.
        provider: `auto`, `tensorrt`, `cuda` or `cpu`.
        threads: threads of a call; 1 is best for many small streams.
        bank_on_device: keep the states on the device; None: wherever the provider is not the CPU.

    Raises:
        BundleError: the graph cannot be opened, or its inputs and outputs are not those of the spec.
        BadInput: field `provider`: an unknown name.
        EngineFault: the provider asked for does not run.
    """

    def __init__(
        self,
        folder: Path,
        spec: ModelSpec,
        provider: str = "auto",
        threads: int = 1,
        bank_on_device: bool | None = None,
    ) -> None:
        refuse_two_builds()
        self._spec = spec
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
        # A spinning worker would take the core from the event loop between two hops.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        # States that fade towards zero in a silence would otherwise end in denormal numbers, a hundred times as slow.
        options.add_session_config_entry("session.set_denormal_as_zero", "1")
        # An arena keeps the largest batch's memory for every size it has seen; the calls are too small to need it.
        options.log_severity_level = 3
        self._session, self.note = self._open(folder, "separator", provider, options)
        self.provider: str = self._session.get_providers()[0]
        self._check_tensors(folder)
        on_device = self.provider != PROVIDERS["cpu"] if bank_on_device is None else bank_on_device
        self._bank: _HostBank | _DeviceBank
        if on_device:
            moves = {name: self._open(folder, name, provider, options)[0] for name in ("gather", "scatter")}
            self._bank = _DeviceBank(spec, self._session, moves["gather"], moves["scatter"])
        else:
            self._bank = _HostBank(spec, self._session)

    def _open(
        self, folder: Path, graph: str, provider: str, options: ort.SessionOptions
    ) -> tuple[ort.InferenceSession, str | None]:
        file = self._spec.graphs.get(graph)
        if file is None:
            raise BundleError(folder, f"graphs.{graph}", "is missing")
        try:
            return open_session(folder / file, provider, options)
        except (BadInput, EngineFault):
            raise
        except Exception as error:  # ONNX Runtime raises a class of its own for each way a file can be wrong
            raise BundleError(folder, f"graphs.{graph}", f"ONNX Runtime cannot open {file}: {error}") from error

    def _check_tensors(self, folder: Path) -> None:
        inputs = {item.name: item.shape for item in self._session.get_inputs()}
        outputs = {item.name for item in self._session.get_outputs()}
        expected = _input_shapes(self._spec)
        for name, shape in expected.items():
            if name not in inputs:
                raise BundleError(folder, "graphs.separator", f"has no input {name!r}")
            # A length that may vary has a name in the graph, or none.
            found = [length if isinstance(length, int) else None for length in inputs[name]]
            if found != shape:
                raise BundleError(folder, "graphs.separator", f"input {name!r} is {found}, by the spec {shape}")
        for name in inputs.keys() - expected.keys():
            raise BundleError(folder, "graphs.separator", f"has an input {name!r}, of which the spec says nothing")
        for name in {*_OUTPUTS, *(state.output for state in self._spec.states)}:
            if name not in outputs:
                raise BundleError(folder, "graphs.separator", f"has no output {name!r}")

    def separate(self, slots: NDArray[np.intp], spectrum: Floats, query: Floats, hint: Floats) -> tuple[Floats, Floats]:
        """See `base.Runtime.separate`; the batch is padded to the next bucket."""
        count = len(slots)
        size = bucket_for(count)
        if size > count:
            spectrum, query, hint = (_padded(array, size) for array in (spectrum, query, hint))
        mask, active = self._bank.run(slots, size, {"spectrum": spectrum, "query": query, "hint": hint})
        return mask[:count], active[:count]

    def reset(self, slots: list[int]) -> None:
        """See `base.Runtime.reset`."""
        self._bank.reset(slots)

    def snapshot(self, slot: int) -> Snapshot:
        """See `base.Runtime.snapshot`."""
        return self._bank.snapshot(slot)

    def restore(self, slot: int, snapshot: Snapshot) -> None:
        """See `base.Runtime.restore`."""
        self._bank.restore(slot, snapshot)

    def warm(self, batches: tuple[int, ...], hops: tuple[int, ...]) -> None:
        """See `base.Runtime.warm`. Slots are left as they were: what runs here is put back."""
        highest = max(batches)
        kept = [self._bank.snapshot(slot) for slot in range(highest)]
        for batch in batches:
            for count in hops:
                self.separate(
                    np.arange(batch),
                    np.zeros((batch, count, self._spec.bins, 2), np.float32),
                    np.zeros((batch, self._spec.query_size), np.float32),
                    np.zeros((batch, 2), np.float32),
                )
        for slot, snapshot in enumerate(kept):
            self._bank.restore(slot, snapshot)


def _input_shapes(spec: ModelSpec) -> dict[str, list[int | None]]:
    """Shape of each input of the `separator` graph; None: slots or hops, of which there may be any number."""
    shapes: dict[str, list[int | None]] = {
        "spectrum": [None, None, spec.bins, 2],
        "query": [None, spec.query_size],
        "hint": [None, 2],
    }
    for state in spec.states:
        shapes[state.name] = [*state.shape[: state.batch_axis], None, *state.shape[state.batch_axis :]]
    return shapes


def _padded(array: Floats, size: int) -> Floats:
    grown = np.zeros((size, *array.shape[1:]), np.float32)
    grown[: len(array)] = array
    return grown


class _HostBank:
    """States in numpy, each as the graph has it with slots on its batch axis; row 0 is scratch for padding."""

    def __init__(self, spec: ModelSpec, session: ort.InferenceSession) -> None:
        self._states = spec.states
        self._session = session
        self._outputs = [*_OUTPUTS, *(state.output for state in spec.states)]
        self._rows = 1
        self._banks = [_bank(state, 1) for state in spec.states]

    def _hold(self, slot: int) -> None:
        if slot + 1 < self._rows:
            return
        rows = max(2 * self._rows, slot + 2, 16)
        for index, state in enumerate(self._states):
            grown = _bank(state, rows)
            grown[_at(state, slice(self._rows))] = self._banks[index]
            self._banks[index] = grown
        self._rows = rows

    def run(self, slots: NDArray[np.intp], size: int, feeds: dict[str, Floats]) -> tuple[Floats, Floats]:
        count = len(slots)
        rows = slots + 1
        self._hold(int(rows.max()))
        padded = rows if size == count else np.concatenate([rows, np.zeros(size - count, np.intp)])
        inputs: dict[str, Any] = dict(feeds)
        for state, bank in zip(self._states, self._banks, strict=True):
            inputs[state.name] = bank.take(padded, axis=state.batch_axis)
        mask, active, *news = self._session.run(self._outputs, inputs)
        for state, bank, new in zip(self._states, self._banks, news, strict=True):
            bank[_at(state, rows)] = new[_at(state, slice(count))]
        return mask, active

    def reset(self, slots: list[int]) -> None:
        self._hold(max(slots))
        for state, bank in zip(self._states, self._banks, strict=True):
            bank[_at(state, [slot + 1 for slot in slots])] = 0.0

    def snapshot(self, slot: int) -> Snapshot:
        self._hold(slot)
        found = zip(self._states, self._banks, strict=True)
        return tuple(bank[_at(state, slot + 1)].copy() for state, bank in found)

    def restore(self, slot: int, snapshot: Snapshot) -> None:
        self._hold(slot)
        for state, bank, kept in zip(self._states, self._banks, snapshot, strict=True):
            bank[_at(state, slot + 1)] = kept


def _bank(state: StateSpec, rows: int) -> Floats:
    shape = list(state.shape)
    shape.insert(state.batch_axis, rows)
    return np.zeros(shape, np.float32)


def _at(state: StateSpec, where: Any) -> tuple[Any, ...]:
    """Index of `where` on the batch axis."""
    return (*(slice(None),) * state.batch_axis, where)


class _DeviceBank:
    """One state bank on the device, with `slots` on the spec's batch axis; row 0 is scratch for padding.

    Graph `gather`: `bank`, `slots` → `state`. Graph `scatter`: `bank`, `slots`, `state` → `bank_out`.
    """

    def __init__(
        self,
        spec: ModelSpec,
        session: ort.InferenceSession,
        gather: ort.InferenceSession,
        scatter: ort.InferenceSession,
    ) -> None:
        (self._state,) = spec.states
        self._session, self._gather, self._scatter = session, gather, scatter
        on_cpu = session.get_providers()[0] == PROVIDERS["cpu"]
        self._device = "cpu" if on_cpu else "cuda"
        self._rows = 0
        self._banks: list[ort.OrtValue] = []

    def _value(self, array: NDArray[Any]) -> ort.OrtValue:
        return ort.OrtValue.ortvalue_from_numpy(np.ascontiguousarray(array), self._device, 0)

    def _host(self) -> Floats:
        """The whole bank on the host, slots first."""
        return np.moveaxis(self._banks[0].numpy(), self._state.batch_axis, 0)

    def _load(self, bank: Floats) -> None:
        laid = np.moveaxis(bank, 0, self._state.batch_axis)
        self._rows = len(bank)
        self._banks = [self._value(laid), self._value(np.zeros_like(laid))]

    def _hold(self, slot: int) -> None:
        if slot + 1 >= self._rows:
            grown = np.zeros((max(2 * self._rows, slot + 2, 64), *self._state.shape), np.float32)
            if self._rows:
                grown[: self._rows] = self._host()
            self._load(grown)

    def run(self, slots: NDArray[np.intp], size: int, feeds: dict[str, Floats]) -> tuple[Floats, Floats]:
        self._hold(int(slots.max()))
        rows = np.zeros(size, np.int64)
        rows[: len(slots)] = slots + 1
        where = self._value(rows)
        state = self._bound(self._gather, {"bank": self._banks[0], "slots": where}, ["state"])[0]
        inputs = {name: self._value(array) for name, array in feeds.items()}
        inputs[self._state.name] = state
        mask, active, new = self._bound(self._session, inputs, [*_OUTPUTS, self._state.output])
        moved = {"bank": self._banks[0], "slots": where, "state": new}
        self._bound(self._scatter, moved, ["bank_out"], into=self._banks[1])
        self._banks.reverse()
        return mask.numpy(), active.numpy()

    def _bound(
        self,
        session: ort.InferenceSession,
        inputs: dict[str, ort.OrtValue],
        outputs: list[str],
        into: ort.OrtValue | None = None,
    ) -> list[ort.OrtValue]:
        binding = session.io_binding()
        for name, value in inputs.items():
            binding.bind_ortvalue_input(name, value)
        for name in outputs:
            if into is None:
                binding.bind_output(name, self._device)
            else:
                binding.bind_ortvalue_output(name, into)
        session.run_with_iobinding(binding)
        got: list[ort.OrtValue] = binding.get_outputs()
        return got

    def reset(self, slots: list[int]) -> None:
        for slot in slots:
            self.restore(slot, (np.zeros(self._state.shape, np.float32),))

    def snapshot(self, slot: int) -> Snapshot:
        self._hold(slot)
        where = self._value(np.array([slot + 1], np.int64))
        state = self._bound(self._gather, {"bank": self._banks[0], "slots": where}, ["state"])[0].numpy()
        return (np.moveaxis(state, self._state.batch_axis, 0)[0].copy(),)

    def restore(self, slot: int, snapshot: Snapshot) -> None:
        self._hold(slot)
        state = np.expand_dims(snapshot[0], self._state.batch_axis)
        moved = {
            "bank": self._banks[0],
            "slots": self._value(np.array([slot + 1], np.int64)),
            "state": self._value(state),
        }
        self._bound(self._scatter, moved, ["bank_out"], into=self._banks[1])
        self._banks.reverse()
