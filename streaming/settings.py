"""What the server is told from outside. The only reader of the environment (`WINNOW_*`).

Read once at the start and frozen; flags of the command line are passed as arguments and win over the environment.
"""

from __future__ import annotations

import ipaddress
import os
import re
from difflib import get_close_matches
from typing import Annotated, Any, Literal

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

PREFIX = "WINNOW_"
_OF_THE_MAKEFILE = {"WINNOW_EXTRA"}
_OF_KUBERNETES = re.compile(r"WINNOW_(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_\d+_(TCP|UDP|SCTP)(_\w+)?)")
"""What every pod is given where a service is named `winnow`."""

LARGEST_MESSAGE_BYTES = 64 * 1024 * 1024
"""What uvicorn is told: the largest route's limit. Every route keeps its own, smaller one."""


_ICE_SERVER = re.compile(
    r"(stuns?|turns?):(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]{1,253})(:\d{1,5})?(\?transport=(udp|tcp))?"
)
"""RFC 7064, RFC 7065."""


class Settings(BaseSettings):
    """Every switch of the server, with the contract's defaults.

    Raises:
        pydantic.ValidationError: a value is wrong, a variable of the environment has our prefix and names no setting,
            or the server would listen beyond loopback without an API key.
    """

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="forbid")

    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=0, le=65535)
    model: str = "default"
    """Name of an embedded bundle or path of a bundle's folder; `default` is the engine's choice."""
    mode: str | None = None
    """For a model with modes (SAM Audio): quality, balanced or low_latency (fast); None: its own default."""
    watermark_message: int | None = Field(default=None, ge=0, le=65535)
    """What a model that marks its sound (SAM Audio) puts into it; None: 0."""
    provider: str = "auto"
    threads: int = Field(default=1, ge=1, le=64)
    """Threads inside one ONNX session; more than 1 only pays for a single stream."""

    api_keys: Annotated[tuple[SecretStr, ...], NoDecode] = ()
    """Comma-separated. None: everybody may connect, and the server starts on loopback only."""
    token_secret: SecretStr | None = None
    """What short-lived tokens are signed with, the same on every server that is to accept them; None: a secret of this
    process."""
    allowed_origins: Annotated[tuple[str, ...], NoDecode] = ()
    """Comma-separated origins (`https://studio.example`) that may open a WebSocket beside the server's own."""

    hop_ms: float | None = Field(default=None, gt=0.0)
    """Length of the live hops that come out, 1, 2 or 4 times the model's own (None: as that): a longer one costs less
    and comes later by what it is longer."""
    max_sessions: int = Field(default=256, ge=1)
    """Ceiling over what the measured capacity allows."""
    max_sessions_per_key: int | None = Field(default=None, ge=1)
    capacity_share: float = Field(default=0.6, gt=0.0)
    """New sessions are refused where the p95 of a tick that carries a hop of everyone would be over this share of a
    hop; a large number switches that off."""
    retry_after_s: float = Field(default=5.0, gt=0.0)

    message_bytes: int = Field(default=256 * 1024, ge=1024, le=LARGEST_MESSAGE_BYTES)
    message_s: float = Field(default=2.0, gt=0.0)
    inbox_s: float = Field(default=2.0, gt=0.0)
    """Audio of one session that waits for the engine before its socket is no longer read."""
    outbox_ms: float = Field(default=400.0, gt=0.0)
    """Audio of one session that waits for its client: then framed mode drops, raw mode stops reading."""
    slow_consumer_s: float = Field(default=5.0, gt=0.0)
    idle_s: float = Field(default=10.0, gt=0.0)
    max_session_s: float | None = Field(default=None, gt=0.0)
    resume_s: float = Field(default=30.0, ge=0.0)
    """How long a framed session waits for its client after a broken connection; 0: it ends with the connection."""
    replay_s: float = Field(default=5.0, ge=0.0)
    """How much sound of a framed session is kept, to be sent again after a broken connection."""
    stats_s: float = Field(default=1.0, gt=0.0)
    drain_s: float = Field(default=10.0, ge=0.0)

    ice_servers: Annotated[tuple[str, ...], NoDecode] = ()
    """Comma-separated `stun:HOST:PORT` and `turn:HOST:PORT?transport=udp|tcp` (`turns:` with TLS) that WebRTC clients
    are told of."""
    turn_secret: SecretStr | None = None
    """The `static-auth-secret` of those TURN servers: passwords are made of it, one for each session."""
    turn_ttl_s: float = Field(default=600.0, ge=30.0)
    ice_gather: Literal["host", "all", "relay"] = "host"
    """Where the server's own candidates come from: interfaces, `ice_servers` too (behind a NAT), or only TURN."""
    connect_s: float = Field(default=10.0, gt=0.0)
    """How long a WebRTC peer may take from our answer to a working connection."""
    opus_application: Literal["lowdelay", "audio", "voip"] = "lowdelay"
    """How WebRTC peers' sound is coded: `lowdelay` comes 4 ms earlier; `voip` spares a narrow line, and has FEC."""
    opus_bitrate: int = Field(default=96_000, ge=6_000, le=510_000)
    opus_frame_ms: int = Field(default=20, ge=10, le=20, multiple_of=10)
    """Length of their packets: 10 ms come 10 ms earlier and cost twice as many packets."""
    opus_fec: bool = False
    """In-band FEC; libopus has none with `lowdelay`."""
    max_viewers: int = Field(default=256, ge=0)
    signalling_per_s: float = Field(default=10.0, gt=0.0)
    """WHIP and WHEP requests of one address in the long run; over it they are answered 429."""
    signalling_burst: int = Field(default=100, ge=1)
    log_level: Literal["critical", "error", "warning", "info", "debug"] = "info"

    @field_validator("api_keys", "allowed_origins", "ice_servers", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @field_validator("api_keys")
    @classmethod
    def _keys_are_long(cls, keys: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        if any(len(key.get_secret_value()) < 16 for key in keys):
            raise ValueError("an API key has at least 16 characters")
        return keys

    @field_validator("token_secret")
    @classmethod
    def _secret_is_long(cls, secret: SecretStr | None) -> SecretStr | None:
        # RFC 7518, section 3.2: at least as long as the hash.
        if secret is not None and len(secret.get_secret_value().encode()) < 32:
            raise ValueError("a token secret has at least 32 bytes")
        return secret

    @field_validator("ice_servers")
    @classmethod
    def _ice_servers_are_urls(cls, urls: tuple[str, ...]) -> tuple[str, ...]:
        for url in urls:
            if not _ICE_SERVER.fullmatch(url) or (url.startswith("stun") and "?" in url):
                raise ValueError(f"{url!r} is neither stun:HOST:PORT nor turn:HOST:PORT?transport=udp")
        return urls

    @model_validator(mode="after")
    def _environment_is_spelt_right(self) -> Settings:
        # A limit or a key that was set in vain must not be found out by its absence.
        known = {PREFIX + name.upper() for name in type(self).model_fields} | _OF_THE_MAKEFILE
        for name in environment_names():
            if name.upper() not in known and not _OF_KUBERNETES.fullmatch(name):
                near = get_close_matches(name.upper(), known, n=1)
                raise ValueError(f"{name} is no setting" + (f"; nearest: {near[0]}" if near else ""))
        return self

    @model_validator(mode="after")
    def _relays_have_a_secret(self) -> Settings:
        if self.turn_secret is None and any(url.startswith("turn") for url in self.ice_servers):
            raise ValueError("a TURN server in WINNOW_ICE_SERVERS needs WINNOW_TURN_SECRET, its static-auth-secret")
        return self

    @model_validator(mode="after")
    def _open_only_on_loopback(self) -> Settings:
        if not self.api_keys and not is_loopback(self.host):
            raise ValueError(
                f"host {self.host!r} can be reached by others: set WINNOW_API_KEYS, or listen on 127.0.0.1"
            )
        return self


def environment_names() -> tuple[str, ...]:
    """The variables of the environment that have our prefix, in whatever case."""
    return tuple(name for name in sorted(os.environ) if name.upper().startswith(PREFIX))


def is_loopback(host: str) -> bool:
    """Whether a host name or address can only mean this machine."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
