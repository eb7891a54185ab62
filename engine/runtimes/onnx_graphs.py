"""Several graphs of a bundle in ONNX Runtime (see `graphs.Graphs`): each opened when it is first needed.

On a CPU an array is its own handle. On a GPU every call goes through IOBinding: handles are bound where they lie, and
what is kept never crosses the bus.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import onnxruntime as ort
from onnxruntime.capi.onnxruntime_pybind11_state import NotImplemented as Unsupported

from engine.errors import BadInput, BundleError, EngineFault
from engine.runtimes.graphs import Array, Held
from engine.runtimes.onnx import PROVIDERS, open_session, refuse_two_builds
from engine.runtimes.onnx_joining import Joining, joined_arrays

log = logging.getLogger("winnow.engine.runtimes")

PLAN_SUFFIX = ".plan.onnx"
"""Ending of a graph that wraps a TensorRT plan (`winnow export sam-audio --tensorrt`)."""


class OnnxGraphs:
    """See the module.

    Args:
        folder: the bundle.
        files: graph name → file in it.
        provider: `auto`, `tensorrt`, `cuda` or `cpu`.
        threads: threads of one call.
        first: a graph that is opened at once; what it runs on is what all run on.
        bound: go through IOBinding; None: wherever the provider is not the CPU.

    Raises:
        BundleError: that graph cannot be opened.
        BadInput, EngineFault: the provider asked for is unknown, or does not run.
    """

    def __init__(
        self, folder: Path, files: Mapping[str, str], provider: str, threads: int, first: str, bound: bool | None = None
    ) -> None:
        refuse_two_builds()
        self._folder, self._files, self._asked, self._threads = folder, dict(files), provider, threads
        self._sessions: dict[str, ort.InferenceSession] = {}
        self._unfit: set[str] = set()
        self._opening = threading.Lock()
        self.note: str | None = None
        self.provider: str = self._session(first).get_providers()[0]
        on_cpu = self.provider == PROVIDERS["cpu"]
        self._device = "cpu" if on_cpu else "cuda"
        self._bound = not on_cpu if bound is None else bound
        self._joining = Joining(self._device, PROVIDERS["cpu" if on_cpu else "cuda"], self._options())

    def has(self, graph: str) -> bool:
        """See `Graphs.has`."""
        return graph in self._files

    def runs(self, graph: str) -> bool:
        """See `Graphs.runs`."""
        if self._device == "cpu" or graph not in self._files or graph in self._unfit:
            return False
        try:
            self._session(graph)
        except (BundleError, EngineFault) as error:
            # Built for another GPU or another TensorRT: the plain graph does the same, a little slower.
            log.warning("%s is not used: %s", self._files[graph], error)
            self._unfit.add(graph)
            return False
        return True

    def _session(self, graph: str) -> ort.InferenceSession:
        with self._opening:  # two sessions that are opened at once may want the same graph first
            if graph not in self._sessions:
                self._sessions[graph] = self._opened(graph)
            return self._sessions[graph]

    def _options(self) -> ort.SessionOptions:
        options = ort.SessionOptions()
        options.intra_op_num_threads = self._threads
        options.inter_op_num_threads = 1
        options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 3
        return options

    def _opened(self, graph: str) -> ort.InferenceSession:
        file = self._files.get(graph)
        if file is None:
            raise BundleError(self._folder, f"graphs.{graph}", "is missing")
        options = self._options()
        try:
            # TensorRT would build a new engine, for minutes, whenever a length comes that it has not seen: only where
            # a person asks for it, or for a plan that was built beforehand.
            planned = file.endswith(PLAN_SUFFIX) and self._asked == "auto"
            session, note = open_session(self._folder / file, self._asked, options, planned)
        except (BadInput, EngineFault):
            raise
        except Unsupported as error:
            # It has no bfloat16 on the CPU, and says so by the first operation that it misses.
            lacks = f"ONNX Runtime cannot run {file} here; a bfloat16 bundle needs a GPU (provider cuda)"
            raise BundleError(self._folder, f"graphs.{graph}", f"{lacks}: {error}") from error
        except Exception as error:  # ONNX Runtime raises a class of its own for each way a file can be wrong
            raise BundleError(self._folder, f"graphs.{graph}", f"ONNX Runtime cannot open {file}: {error}") from error
        self.note = self.note or note
        return session

    def require(self, graph: str, inputs: Sequence[str], outputs: Sequence[str]) -> None:
        """See `Graphs.require`."""
        session = self._session(graph)
        for kind, wanted, found in (
            ("input", inputs, session.get_inputs()),
            ("output", outputs, session.get_outputs()),
        ):
            if missing := set(wanted) - {item.name for item in found}:
                raise BundleError(self._folder, f"graphs.{graph}", f"has no {kind} {sorted(missing)[0]!r}")

    def width(self, graph: str, name: str) -> int:
        """See `Graphs.width`."""
        shapes = {item.name: item.shape for item in self._session(graph).get_inputs()}
        size = shapes[name][-1] if shapes.get(name) else None
        if not isinstance(size, int):
            raise BundleError(self._folder, f"graphs.{graph}", f"input {name!r} has no fixed width")
        return size

    def hold(self, array: Array) -> Held:
        """See `Graphs.hold`."""
        laid = np.ascontiguousarray(array)
        return ort.OrtValue.ortvalue_from_numpy(laid, self._device, 0) if self._bound else laid

    def joined(self, parts: Sequence[Held], axis: int | None = None, length: int = 0) -> Held:
        """See `Graphs.joined`."""
        try:
            if self._bound:
                return self._joining.joined(parts, axis, length)
            return joined_arrays(parts, axis, length)
        except Exception as error:  # as in `keep`
            raise EngineFault(f"arrays could not be joined: {error}") from error

    def size_bytes(self, held: Held) -> int:
        """See `Graphs.size_bytes`."""
        return int(held.nbytes if isinstance(held, np.ndarray) else held.tensor_size_in_bytes())

    def run(self, graph: str, feeds: Mapping[str, Held]) -> dict[str, Array]:
        """See `Graphs.run`."""
        kept = self.keep(graph, feeds)
        return {name: value.numpy() for name, value in kept.items()} if self._bound else kept

    def keep(self, graph: str, feeds: Mapping[str, Held]) -> dict[str, Held]:
        """See `Graphs.keep`."""
        session = self._session(graph)
        names = [item.name for item in session.get_outputs()]
        try:
            if not self._bound:
                return dict(zip(names, session.run(names, dict(feeds)), strict=True))
            binding = session.io_binding()
            for name, value in feeds.items():
                binding.bind_ortvalue_input(name, self.hold(value) if isinstance(value, np.ndarray) else value)
            for name in names:
                binding.bind_output(name, self._device)
            session.run_with_iobinding(binding)
            return dict(zip(names, binding.get_outputs(), strict=True))
        except Exception as error:  # each library has its own; the step is lost, the server is not
            raise EngineFault(f"the graph {graph} failed: {error}") from error
