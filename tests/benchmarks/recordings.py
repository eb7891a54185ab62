"""A folder of recordings made by formula, small enough for a test: voices that hum and noises that hiss."""

from __future__ import annotations

import csv
import wave
from pathlib import Path

import numpy as np

RATE_HZ = 16_000
COLUMNS = ("file", "class", "caption", "source", "licence", "split", "speaker", "native_sr", "seconds")


def make_folder(folder: Path, seconds: float = 2.0) -> Path:
    """Three voices, two rains and a bird in `folder`, with a manifest as the training's own."""
    rng = np.random.default_rng(6)
    time_s = np.arange(int(seconds * RATE_HZ)) / RATE_HZ
    rows = []
    for number, pitch_hz in enumerate((110.0, 170.0, 220.0)):
        gate = 0.5 + 0.5 * np.sign(np.sin(2 * np.pi * 2.1 * time_s + number))
        hum = sum(np.sin(2 * np.pi * k * pitch_hz * time_s) / k for k in range(1, 20))
        rows.append(_write(folder, f"voice{number}.wav", "speech", gate * hum, f"speaker{number}"))
    for number in range(2):
        rows.append(_write(folder, f"rain{number}.wav", "rain", rng.standard_normal(len(time_s)), ""))
    chirp = np.sin(2 * np.pi * (3000 * time_s + 300 * np.sin(2 * np.pi * 5 * time_s)))
    rows.append(_write(folder, "bird.wav", "birds", chirp, ""))
    with (folder / "manifest.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        writer.writerows(rows)
    return folder


def _write(folder: Path, name: str, label: str, samples: np.ndarray, speaker: str) -> tuple[object, ...]:
    scaled = 0.3 * samples / np.abs(samples).max()
    with wave.open(str(folder / name), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE_HZ)
        file.writeframes((scaled * 32767).astype("<i2").tobytes())
    seconds = len(samples) / RATE_HZ
    return name, label, label, f"made/{name}", "CC0", "train", speaker, RATE_HZ, seconds
