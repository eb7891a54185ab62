"""The denoisers that `benchmarks.peers` compares, each as what a live client would drive: a hop in, a hop out.

Every peer runs at its own rate and hop, from a fresh state for each mixture, on one thread. What a peer needs is looked
for, never fetched: a package that is not installed or a file that is not there becomes an `Absent` with its reason, and
stands in the table under its name.

Licence, last release and size of what is measured (wheel for x86-64 Linux, or the files; as of November 2026):

* Winnow: the bundle that is asked for, through a live `Session` and the `Batcher`, as the server drives it.
* RNNoise: `pyrnnoise` 0.4.5 (September 2026), Apache-2.0 around RNNoise's BSD code, 13 MB. Its library is called
  directly: the package's own wrapper rounds to 16 bits and imports a resampling and downloading stack.
* WebRTC: `webrtc-noise-gain` 1.3.0 (May 2026), Apache-2.0 around WebRTC's BSD code, 9 MB. Suppression level 2, no gain;
  its high-pass filter cannot be switched off, turns the phase of low notes, and costs SI-SDR that nobody hears.
* SpeexDSP: `speexdsp-ns` 0.1.2 (August 2023), BSD, 0.2 MB; no wheels for Python after 3.12, so absent there.
* noisereduce: 3.0.3 (October 2024), MIT, 22 kB. A spectral gate over the whole recording: no stream, so no latency.
* DTLN: breizhn/DTLN, MIT, `dtln/model_1.onnx` and `model_2.onnx`, 4.0 MB (Westhausen and Meyer 2020).
* GTCRN: Xiaobin-Rong/gtcrn, MIT, `gtcrn/gtcrn_simple.onnx`, 0.5 MB (Rong et al. 2024).
"""

from __future__ import annotations

import ctypes
import importlib
import importlib.util
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from engine.batcher import Batcher
from engine.bundle import Bundle
from engine.config import SessionConfig
from engine.prompt import Target
from engine.session import Session

Vector = NDArray[np.float32]
Process = Callable[[Vector], Vector]
"""`[hop]` float32 in, the `[hop]` that leaves at that moment out."""

WIDE_HZ, NARROW_HZ = 48_000, 16_000
INSTALL = "not installed: pip install 'winnow-live[peers]'"


@dataclass(frozen=True, slots=True)
class Peer:
    """A denoiser that is there; `hop` in samples at `rate_hz`, 0 where it wants the whole recording at once."""

    name: str
    origin: str
    rate_hz: int
    hop: int
    open_stream: Callable[[], Process]


@dataclass(frozen=True, slots=True)
class Absent:
    """A peer that could not be measured, and why."""

    name: str
    reason: str


def found_peers(bundle: Bundle, prompt: str, folder: Path | None) -> list[Peer | Absent]:
    """Winnow first, then every peer, each there or absent; `folder` holds `dtln/` and `gtcrn/`."""
    return [winnow(bundle, prompt), dtln(folder), gtcrn(folder), rnnoise(), webrtc(), speexdsp(), noisereduce()]


# --- ours -----------------------------------------------------------------------------------------------------------


def winnow(bundle: Bundle, prompt: str) -> Peer:
    """The embedded model in a live session of one mono client at the model's rate."""
    audio = bundle.spec.audio

    def open_stream() -> Process:
        return _LiveSession(bundle, prompt)

    origin = f"bundle {bundle.spec.name} {bundle.spec.version}, prompt “{prompt}”"
    return Peer("Winnow", origin, audio.sample_rate, audio.hop, open_stream)


class _LiveSession:
    """One live session, alone in its batcher."""

    def __init__(self, bundle: Bundle, prompt: str) -> None:
        audio = bundle.spec.audio
        config = SessionConfig(audio.sample_rate, 1, (Target("kept", prompt),), residual=False)
        self._session = Session(bundle, config)
        self._batcher = Batcher(bundle.program, time.perf_counter)
        self._batcher.add(self._session)

    def __call__(self, hop: Vector) -> Vector:
        self._session.feed_audio(hop[None], time.perf_counter())
        self._batcher.ready(self._session)
        while self._batcher.step():
            pass
        if self._session.failed is not None:
            raise self._session.failed
        made = [piece.samples[0] for piece in self._session.take()]
        # The first push gives less than a hop: what has not come yet is silence, as on a listener's side.
        return np.concatenate([np.zeros(len(hop) - sum(map(len, made)), np.float32), *made])

    def __del__(self) -> None:
        self._session.close()


# --- peers from packages --------------------------------------------------------------------------------------------


def rnnoise() -> Peer | Absent:
    """RNNoise at 48 kHz, 10 ms hops, samples on the scale of 16-bit integers."""
    name, package = "RNNoise", "pyrnnoise"
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        return Absent(name, INSTALL)
    libraries = [*Path(spec.submodule_search_locations[0]).glob("*rnnoise.*")]
    binaries = [path for path in libraries if path.suffix in (".so", ".dylib", ".dll")]
    if not binaries:
        return Absent(name, f"{package} holds no library for this machine")
    c = ctypes.CDLL(str(binaries[0]))
    pointer = ctypes.POINTER(ctypes.c_float)
    c.rnnoise_create.argtypes, c.rnnoise_create.restype = [ctypes.c_void_p], ctypes.c_void_p
    c.rnnoise_destroy.argtypes, c.rnnoise_destroy.restype = [ctypes.c_void_p], None
    c.rnnoise_process_frame.argtypes = [ctypes.c_void_p, pointer, pointer]
    c.rnnoise_process_frame.restype = ctypes.c_float
    return Peer(name, _version(package), WIDE_HZ, int(c.rnnoise_get_frame_size()), lambda: _RNNoise(c))


class _RNNoise:
    def __init__(self, c: ctypes.CDLL) -> None:
        self._c = c
        self._state = c.rnnoise_create(None)

    def __call__(self, hop: Vector) -> Vector:
        frame = np.ascontiguousarray(hop * np.float32(32768))
        at = frame.ctypes.data_as(ctypes.POINTER(ctypes.c_float))
        self._c.rnnoise_process_frame(self._state, at, at)
        return np.asarray(frame / np.float32(32768), np.float32)

    def __del__(self) -> None:
        self._c.rnnoise_destroy(self._state)


def webrtc() -> Peer | Absent:
    """WebRTC's suppressor at 16 kHz, 10 ms hops, level 2 of 4, no automatic gain."""
    name, package = "WebRTC NS", "webrtc-noise-gain"
    module = optional_module("webrtc_noise_gain")
    if module is None:
        return Absent(name, INSTALL)

    def open_stream() -> Process:
        processor = module.AudioProcessor(0, 2)
        return lambda hop: _from_int16(processor.Process10ms(_to_int16(hop)).audio)

    return Peer(name, _version(package), NARROW_HZ, NARROW_HZ // 100, open_stream)


def speexdsp() -> Peer | Absent:
    """SpeexDSP's preprocessor at 16 kHz, 10 ms hops, its own settings."""
    name, package = "SpeexDSP", "speexdsp-ns"
    module = optional_module("speexdsp_ns")
    if module is None:
        return Absent(name, INSTALL)

    def open_stream() -> Process:
        suppressor = module.NoiseSuppression.create(NARROW_HZ // 100, NARROW_HZ)
        return lambda hop: _from_int16(suppressor.process(_to_int16(hop)))

    return Peer(name, _version(package), NARROW_HZ, NARROW_HZ // 100, open_stream)


def noisereduce() -> Peer | Absent:
    """noisereduce's non-stationary gate over the whole recording at 16 kHz, its own settings."""
    name = "noisereduce"
    module = optional_module(name)
    if module is None:
        return Absent(name, INSTALL)

    def whole(samples: Vector) -> Vector:
        return np.asarray(module.reduce_noise(y=samples, sr=NARROW_HZ, n_jobs=1), np.float32)

    return Peer(name, _version(name), NARROW_HZ, 0, lambda: whole)


# --- peers from files -----------------------------------------------------------------------------------------------


def dtln(folder: Path | None) -> Peer | Absent:
    """DTLN at 16 kHz: blocks of 512, shifted by 128."""
    name = "DTLN"
    graphs = _graphs(folder, "dtln/model_1.onnx", "dtln/model_2.onnx")
    if isinstance(graphs, str):
        return Absent(name, graphs)
    return Peer(name, "breizhn/DTLN, two ONNX files", NARROW_HZ, 128, lambda: _Dtln(*graphs))


class _Dtln:
    """After the authors' `real_time_processing_onnx.py`: a mask on the spectrum, then one on learnt features.

    Both graphs take their data first and their recurrent state second, and give them back in that order.
    """

    def __init__(self, spectral: Any, learnt: Any) -> None:
        self._graphs = (spectral, learnt)
        self._names = [[node.name for node in graph.get_inputs()] for graph in self._graphs]
        self._states = [np.zeros(graph.get_inputs()[1].shape, np.float32) for graph in self._graphs]
        self._heard = np.zeros(512, np.float32)
        self._made = np.zeros(512, np.float32)

    def _run(self, stage: int, data: NDArray[np.float32]) -> NDArray[np.float32]:
        given = dict(zip(self._names[stage], (data, self._states[stage]), strict=True))
        out, self._states[stage] = self._graphs[stage].run(None, given)
        return np.asarray(out, np.float32)

    def __call__(self, hop: Vector) -> Vector:
        self._heard = np.concatenate((self._heard[128:], hop))
        spectrum = fft.rfft(self._heard)
        mask = self._run(0, np.abs(spectrum)[None, None].astype(np.float32))
        block = fft.irfft(spectrum * mask[0, 0], n=512).astype(np.float32)
        made = self._run(1, block[None, None])
        self._made = np.concatenate((self._made[128:], np.zeros(128, np.float32))) + made[0, 0]
        return self._made[:128].copy()


def gtcrn(folder: Path | None) -> Peer | Absent:
    """GTCRN at 16 kHz: one frame of a 512/256 transform with square-root Hann windows a step."""
    name = "GTCRN"
    graphs = _graphs(folder, "gtcrn/gtcrn_simple.onnx")
    if isinstance(graphs, str):
        return Absent(name, graphs)
    return Peer(name, "Xiaobin-Rong/gtcrn, one ONNX file", NARROW_HZ, 256, lambda: _Gtcrn(*graphs))


class _Gtcrn:
    """The graph's first input is a frame `[1, 257, 1, 2]`, the others are caches, given back in their order."""

    _TAPER = np.sqrt(0.5 - 0.5 * np.cos(2 * np.pi * np.arange(512) / 512)).astype(np.float32)

    def __init__(self, graph: Any) -> None:
        self._graph = graph
        self._names = [node.name for node in graph.get_inputs()]
        self._caches = [np.zeros(node.shape, np.float32) for node in graph.get_inputs()[1:]]
        self._heard = np.zeros(512, np.float32)
        self._tail = np.zeros(256, np.float32)

    def __call__(self, hop: Vector) -> Vector:
        self._heard = np.concatenate((self._heard[256:], hop))
        spectrum = np.asarray(fft.rfft(self._heard * self._TAPER), np.complex64)
        frame = spectrum.view(np.float32).reshape(1, 257, 1, 2)
        made, *self._caches = self._graph.run(None, dict(zip(self._names, (frame, *self._caches), strict=True)))
        enhanced = np.ascontiguousarray(made[0, :, 0]).view(np.complex64)[:, 0]
        block = fft.irfft(enhanced, n=512).astype(np.float32) * self._TAPER
        out, self._tail = block[:256] + self._tail, block[256:]
        return out


# --- what they share ------------------------------------------------------------------------------------------------


def hops(samples: Vector, hop: int, drain: int) -> Iterator[Vector]:
    """`samples` and `drain` zeros behind them in pieces of `hop`, the last one filled up."""
    count = -(-(len(samples) + drain) // hop)
    padded = np.zeros(count * hop, np.float32)
    padded[: len(samples)] = samples
    yield from padded.reshape(count, hop)


def _graphs(folder: Path | None, *files: str) -> list[Any] | str:
    """Sessions of one thread for each file, or why there are none."""
    if folder is None:
        return "no folder given: --peers FOLDER with " + " and ".join(files)
    missing = [file for file in files if not (folder / file).is_file()]
    if missing:
        return f"{' and '.join(missing)} not in {folder}"
    runtime = optional_module("onnxruntime")
    if runtime is None:
        return "onnxruntime is not installed"
    wanted = runtime.SessionOptions()
    wanted.intra_op_num_threads = wanted.inter_op_num_threads = 1
    wanted.log_severity_level = 3
    return [runtime.InferenceSession(str(folder / file), wanted, ["CPUExecutionProvider"]) for file in files]


def optional_module(name: str) -> Any:
    """The module, or None where it is not installed."""
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


def _version(distribution: str) -> str:
    return f"{distribution} {metadata.version(distribution)}"


def _to_int16(samples: Vector) -> bytes:
    return np.clip(np.rint(samples * 32768), -32768, 32767).astype("<i2").tobytes()


def _from_int16(data: bytes) -> Vector:
    return np.frombuffer(data, "<i2").astype(np.float32) / np.float32(32768)
