"""FFmpeg's WHIP muxer as a publisher, in a process of its own: PyAV holds the interpreter while FFmpeg shakes hands.

    python av_whip.py URL CERTIFICATE KEY [AUTHORIZATION]

It sends a tone until its standard input closes. What FFmpeg complains of goes to standard error, by its class.
"""

from __future__ import annotations

import select
import sys
import time
from fractions import Fraction

import av
import numpy as np

FRAME, RATE = 960, 48_000


def publish(url: str, certificate: str, key: str, authorization: str = "") -> None:
    """Send until nobody wants it any more."""
    options = {"cert_file": certificate, "key_file": key}
    if authorization:
        options["authorization"] = authorization
    with av.open(url, "w", format="whip", options=options) as container:
        stream = container.add_stream("libopus", rate=RATE, layout="stereo")
        at, begun_s = 0, time.monotonic()
        while not select.select([sys.stdin], [], [], max(begun_s + at / RATE - time.monotonic(), 0))[0]:
            seconds = (at + np.arange(FRAME)) / RATE
            sound = (9000 * np.sin(2 * np.pi * 440 * seconds)).astype(np.int16)
            frame = av.AudioFrame.from_ndarray(np.repeat(sound, 2)[None], format="s16", layout="stereo")
            frame.sample_rate, frame.pts, frame.time_base = RATE, at, Fraction(1, RATE)
            container.mux(stream.encode(frame))
            at += FRAME


if __name__ == "__main__":
    try:
        publish(*sys.argv[1:])
    except av.FFmpegError as error:
        sys.exit(type(error).__name__)
