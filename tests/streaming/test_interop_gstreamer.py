"""GStreamer's webrtcbin publishes (with an RSA certificate) and gets its target and its picture back."""

from __future__ import annotations

import asyncio
import json
import subprocess
from functools import cache
from pathlib import Path

import pytest

from engine.bundle import Bundle
from tests.streaming.live import house

PYTHON = "/usr/bin/python3"
SCRIPT = Path(__file__).parent / "gst_whip.py"
PROBE = """
import gi
gi.require_version("GstWebRTC", "1.0")
gi.require_version("Gst", "1.0")
from gi.repository import Gst
Gst.init(None)
wanted = ("webrtcbin", "nicesrc", "opusenc", "vp8enc", "rtpopuspay", "dtlsenc", "srtpenc")
raise SystemExit(" ".join(name for name in wanted if not Gst.ElementFactory.find(name)) or 0)
"""


@cache
def missing() -> str:
    """Why GStreamer cannot publish here; empty where it can."""
    if not Path(PYTHON).exists():
        return f"{PYTHON} is not there"
    probe = subprocess.run([PYTHON, "-c", PROBE], capture_output=True, text=True, check=False)
    if probe.returncode == 0:
        return ""
    return (
        "GStreamer's webrtcbin is not installed (python3-gi gir1.2-gst-plugins-bad-1.0 gstreamer1.0-plugins-bad "
        f"gstreamer1.0-plugins-good gstreamer1.0-nice): {probe.stderr.strip()[-120:]}"
    )


@pytest.mark.parametrize("kind", ["sound", "video"])
async def test_webrtcbin_publishes_and_hears_back(identity: Bundle, kind: str) -> None:
    if reason := missing():
        pytest.skip(reason)
    async with house(identity, connect_s=30) as home:
        url = f"{home.http}/v1/whip?prompt=speech"
        process = await asyncio.create_subprocess_exec(
            PYTHON, str(SCRIPT), url, "40", kind, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        said, complaints = await process.communicate()
        result = json.loads(said)
        assert result["status"] == 201, (result, complaints.decode())
        assert result["sound"] >= 150, (result, complaints.decode())
        if kind == "video":
            assert result["frames"] >= 10, result
