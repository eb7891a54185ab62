"""FFmpeg's WHIP muxer (PyAV) publishes; a viewer hears it."""

from __future__ import annotations

import asyncio
import datetime
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import av
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from engine.bundle import Bundle
from tests.streaming.live import PATIENCE_S, house
from tests.streaming.rtc import client

KEY = "a-key-of-the-tests-0001"
SCRIPT = Path(__file__).parent / "av_whip.py"

pytestmark = pytest.mark.skipif(
    "whip" not in av.formats_available, reason="PyAV's FFmpeg was built without the WHIP muxer"
)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Options that name an EC P-256 certificate: with its own, FFmpeg's DTLS fails."""
    folder: Path = tmp_path_factory.mktemp("certificate")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "publisher")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    (folder / "certificate.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
    (folder / "key.pem").write_bytes(secret)
    return {"cert_file": str(folder / "certificate.pem"), "key_file": str(folder / "key.pem")}


@asynccontextmanager
async def muxer(
    url: str, certificate: dict[str, str], *authorization: str
) -> AsyncIterator[asyncio.subprocess.Process]:
    """FFmpeg on its way to publish; gone at the end, whatever happens."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(SCRIPT), url, certificate["cert_file"], certificate["key_file"], *authorization,
        stdin=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate(b"")


async def test_ffmpeg_publishes_and_a_viewer_hears_it(identity: Bundle, certificate: dict[str, str]) -> None:
    async with house(identity, api_keys=KEY, connect_s=30) as home, client(home) as viewer:
        async with muxer(f"{home.http}/v1/whip?prompt=speech", certificate, KEY) as process:
            async with asyncio.timeout(PATIENCE_S):
                while not any(one.has_started for one in home.live.sessions.values()):
                    assert process.returncode is None, (await process.communicate())[1]
                    await asyncio.sleep(0.05)  # another process makes it: nothing tells us
            heard = viewer.listen()
            answer = await viewer.post(f"/v1/whep/{home.only_session().name}/0", Authorization=f"Key {KEY}")
            assert answer.status_code == 201
            await heard.loud()
            await process.communicate(b"")  # its standard input closes: it has sent enough
        await home.empty()


async def test_ffmpeg_without_the_key_is_refused(identity: Bundle, certificate: dict[str, str]) -> None:
    async with house(identity, api_keys=KEY) as home:
        async with muxer(f"{home.http}/v1/whip?prompt=speech", certificate) as process, asyncio.timeout(PATIENCE_S):
            _, complaint = await process.communicate()
        assert b"HTTPUnauthorizedError" in complaint
