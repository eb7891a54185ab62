"""Make the demo scene's stems again: `python -m streaming.demo_scene.build` (needs `flite`).

Everything in it is made here: a synthesized voice and sounds computed from noise and tones. Only the stems are kept;
the mixture is their sum after decoding, so that it is exactly what the scores are measured against.
"""

from __future__ import annotations

import argparse
import io
import json
import shutil
import subprocess
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from numpy.typing import NDArray
from scipy.signal import butter, sosfilt

Wave = NDArray[np.float64]

RATE, SECONDS, SEED = 48000, 16.0, 20260
COUNT = int(RATE * SECONDS)
BIT_RATE = 96_000
FOLDER = Path(__file__).parent
SENTENCES = (
    (0.5, "Good evening from the harbour. It has been raining since noon."),
    (5.4, "The road to the old bridge is closed, and the last ferry has left."),
    (10.6, "If you can hear me over all this, then the machine is doing its work."),
)


def voice() -> Wave:
    """The man's three sentences, by flite's `rms` voice (16 kHz), `(COUNT,)`.

    Raises:
        SystemExit: flite is not installed.
    """
    if shutil.which("flite") is None:
        raise SystemExit("the voice needs flite: apt-get install flite")
    out = np.zeros(COUNT)
    for start_s, text in SENTENCES:
        command = ["flite", "-voice", "rms", "-t", text, "/dev/stdout"]
        said = _decoded(subprocess.run(command, capture_output=True, check=True).stdout)
        at = int(start_s * RATE)
        said = said[: COUNT - at]
        out[at : at + said.size] += said
    return out


def rain(rng: np.random.Generator) -> Wave:
    """Steady rain on leaves: a hiss that swells slowly, and 90 drops a second, each a short ringing click."""
    hiss = _band(rng.standard_normal(COUNT), 700.0, 14_000.0)
    swell = 1.0 + 0.25 * np.sin(2 * np.pi * 0.11 * _time() + 0.6)
    drops = np.zeros(COUNT)
    for at in rng.integers(0, COUNT - RATE // 20, int(90 * SECONDS)):
        length = int(rng.uniform(0.002, 0.012) * RATE)
        t = np.arange(length) / RATE
        ring = np.sin(2 * np.pi * rng.uniform(1500.0, 7000.0) * t) * np.exp(-t * rng.uniform(400.0, 1200.0))
        drops[at : at + length] += rng.exponential(0.5) * ring
    falling: Wave = swell * hiss / hiss.std() + 1.2 * np.clip(drops / drops.std(), -5.0, 5.0)
    return falling


def siren() -> Wave:
    """A wailing siren that passes between second 6 and 14: 650 to 1400 Hz, three harmonics, louder and softer."""
    t = _time()
    wail_hz = 1025.0 + 375.0 * np.sin(2 * np.pi * 0.33 * t - np.pi / 2)
    phase = 2 * np.pi * np.cumsum(wail_hz) / RATE
    tone = np.sin(phase) + 0.5 * np.sin(2 * phase) + 0.25 * np.sin(3 * phase)
    passing: Wave = tone * np.exp(-0.5 * ((t - 10.0) / 1.6) ** 2)
    return passing


def _time() -> Wave:
    return np.arange(COUNT) / RATE


def _band(noise: Wave, low_hz: float, high_hz: float) -> Wave:
    filtered: Wave = sosfilt(butter(2, (low_hz, high_hz), "bandpass", fs=RATE, output="sos"), noise)
    return filtered


def _decoded(wav: bytes) -> Wave:
    resampler = AudioResampler(format="flt", layout="mono", rate=RATE)
    with av.open(io.BytesIO(wav), "r") as container:
        frames = [out for frame in container.decode(audio=0) for out in resampler.resample(frame)]
    frames += resampler.resample(None)
    joined: Wave = np.concatenate([frame.to_ndarray()[0] for frame in frames]).astype(np.float64)
    return joined


def _levelled(wave: Wave, level_db: float) -> Wave:
    """The wave at `level_db` RMS where it sounds (the loudest half of its 20 ms pieces)."""
    pieces = wave[: wave.size // 960 * 960].reshape(-1, 960)
    powers = np.sort(np.mean(pieces**2, axis=1))[::-1]
    sounding = powers[: max(1, np.count_nonzero(powers > 1e-3 * powers[0]) // 2)]
    scaled: Wave = wave * (10 ** (level_db / 20) / np.sqrt(sounding.mean()))
    return scaled


def write_opus(path: Path, wave: Wave) -> None:
    """One mono stem.

    Raises:
        OSError: it cannot be written.
    """
    with av.open(str(path), "w", format="ogg") as container:
        stream = container.add_stream("libopus", rate=RATE, layout="mono")
        stream.bit_rate = BIT_RATE
        cutter = AudioResampler(format="flt", layout="mono", rate=RATE, frame_size=960)
        frame = AudioFrame.from_ndarray(wave[None].astype(np.float32), format="flt", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = RATE, 0, Fraction(1, RATE)
        for piece in cutter.resample(frame) + cutter.resample(None):
            container.mux(stream.encode(piece))
        container.mux(stream.encode(None))


def main() -> None:
    """Write the stems and `scene.json` into a folder."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("folder", type=Path, nargs="?", default=FOLDER)
    folder = parser.parse_args().folder
    rng = np.random.default_rng(SEED)
    stems = {
        "man-speaking": (("man speaking", "speech"), _levelled(voice(), -18.0)),
        "rain": (("rain",), _levelled(rain(rng), -24.0)),
        "siren": (("siren",), _levelled(siren(), -22.0)),
    }
    for name, (_, wave) in stems.items():
        write_opus(folder / f"{name}.opus", wave)
    scene = {
        "title": "A man in the rain, a siren passing",
        "default": "man speaking",
        "stems": [{"file": f"{name}.opus", "answers": list(answers)} for name, (answers, _) in stems.items()],
    }
    (folder / "scene.json").write_text(json.dumps(scene, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
