"""The HTTP part and the process around it."""

from __future__ import annotations

import asyncio
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from websockets.asyncio.client import connect

from engine.bundle import Bundle, load_bundle
from engine.spec import MODELS_FOLDER, load_spec, write_spec
from streaming.app import uvicorn_server
from tests.streaming.live import END, PATIENCE_S, House, house, listen, next_text, noise


async def test_operations(server: House) -> None:
    async with server.web() as web:
        assert (await web.get("/healthz")).json() == {"alive": True}
        ready = (await web.get("/readyz")).json()
        assert ready["ready"] is True
        assert (ready["model"], ready["provider"]) == ("identity", server.live.worker.bundle.provider)
        assert "identity" in [model["name"] for model in (await web.get("/v1/models")).json()["models"]]
        assert (await web.get("/v1/sessions")).json() == {"sessions": []}
        async with server.raw() as link:
            await next_text(link, "started")
            (session,) = (await web.get("/v1/sessions")).json()["sessions"]
            assert (session["mode"], session["state"]) == ("raw", "running")
            await link.send(noise(4800).tobytes())
            await link.send(END)
            await listen(link)
        page = (await web.get("/metrics")).text
        assert "winnow_sessions_opened_total 1.0" in page
        assert 'winnow_hop_seconds_count{stage="model"}' in page
        hops = next(line for line in page.splitlines() if line.startswith("winnow_hops_total"))
        assert float(hops.split()[1]) >= 10
        assert (await web.get("/nowhere")).status_code == 404


async def test_a_bundle_from_elsewhere_is_among_the_models(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    shutil.copytree(MODELS_FOLDER / "identity", folder)
    spec = load_spec(folder)
    write_spec(folder, spec.model_copy(update={"name": "mine"}), tuple(spec.artifacts))
    async with house(load_bundle(folder)) as server, server.web() as web:
        told = (await web.get("/v1/models")).json()
    assert told["running"] == "mine"
    (mine,) = [model for model in told["models"] if model["name"] == "mine"]
    assert (mine["usable"], mine["latency_ms"]) == (True, 20.0)
    assert [model["name"] for model in told["models"]].count("identity") == 1


@pytest.mark.parametrize("path", ["/v1/live", "/v1/live/some-session"])
async def test_a_plain_get_of_a_websocket_is_told_so(server: House, path: str) -> None:
    async with server.web() as web:
        answer = await web.get(path, params={"prompt": "speech"})
        assert (answer.status_code, answer.json()["code"]) == (426, "upgrade_required")
        assert answer.headers["upgrade"] == "websocket"
        assert answer.headers["connection"].lower() == "upgrade"
        assert (await web.get("/healthz")).status_code == 200
        assert (await web.post(path)).status_code == 405


async def test_sigterm_stops_the_real_process_in_order() -> None:
    code = (
        "import streaming.app\nfrom streaming.settings import Settings\n"
        "real = streaming.app.uvicorn_server\n"
        "def told(settings, bundle):\n"
        "    server = real(settings, bundle)\n"
        "    startup = server.startup\n"
        "    async def started(sockets=None):\n"
        "        await startup(sockets)\n"
        "        print(server.servers[0].sockets[0].getsockname()[1], flush=True)\n"
        "    server.startup = started\n"
        "    return server\n"
        "streaming.app.uvicorn_server = told\n"
        "streaming.app.serve(Settings(port=0, model='identity'))\n"
    )
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", code, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    async with asyncio.timeout(PATIENCE_S):
        port = int(await process.stdout.readline())
        async with connect(f"ws://127.0.0.1:{port}/v1/live?prompt=speech") as link:
            await link.send(noise(4800).tobytes())
            await next_text(link, "started")
            process.send_signal(signal.SIGTERM)
            heard = await listen(link)
        assert (heard.close, heard.error["code"]) == (1001, "draining")
        assert await process.wait() == 0


def test_the_largest_route_sets_uvicorns_limit(identity: Bundle) -> None:
    from streaming.settings import LARGEST_MESSAGE_BYTES, Settings

    assert uvicorn_server(Settings(), identity).config.ws_max_size == LARGEST_MESSAGE_BYTES == 64 * 1024 * 1024


def test_a_model_that_is_not_there_stops_the_start_in_one_line() -> None:
    code = "from streaming.app import serve; from streaming.settings import Settings; serve(Settings(model='nowhere'))"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 3
    assert "nowhere" in ended.stderr
    assert "Traceback" not in ended.stderr
