"""Settings: the environment, and what the server refuses to start with."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from streaming.settings import Settings, is_loopback

KEY = "0123456789abcdef"


def test_the_environment_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WINNOW_API_KEYS", f"{KEY}, {KEY}x")
    monkeypatch.setenv("WINNOW_HOST", "0.0.0.0")
    monkeypatch.setenv("WINNOW_ALLOWED_ORIGINS", "https://a.example,https://b.example")
    settings = Settings()
    assert [key.get_secret_value() for key in settings.api_keys] == [KEY, KEY + "x"]
    assert settings.allowed_origins == ("https://a.example", "https://b.example")
    assert KEY not in repr(settings)


def test_a_misspelt_variable_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("winnow_port", "9000")
    monkeypatch.setenv("WINNOW_EXTRA", "cpu")  # the Makefile's
    for name in ("SERVICE_HOST", "SERVICE_PORT", "SERVICE_PORT_HTTP", "PORT_8000_TCP", "PORT_8000_TCP_ADDR"):
        monkeypatch.setenv(f"WINNOW_{name}", "10.0.0.1")  # Kubernetes', of a service named winnow
    assert Settings().port == 9000
    monkeypatch.setenv("WINNOW_API_KEY", KEY)
    with pytest.raises(ValidationError, match="WINNOW_API_KEY is no setting; nearest: WINNOW_API_KEYS"):
        Settings()


def test_a_flag_wins_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WINNOW_PORT", "9000")
    assert Settings(port=9001).port == 9001


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.2", "::", "example.org"])
def test_without_a_key_only_loopback(host: str) -> None:
    with pytest.raises(ValidationError, match="WINNOW_API_KEYS"):
        Settings(host=host)
    assert Settings(host=host, api_keys=(KEY,)).host == host


def test_short_keys_and_unknown_settings_are_refused() -> None:
    with pytest.raises(ValidationError, match="at least 16"):
        Settings(api_keys=("short",))
    with pytest.raises(ValidationError, match="extra"):
        Settings(hots="127.0.0.1")  # type: ignore[call-arg]


def test_loopback_names() -> None:
    assert all(is_loopback(host) for host in ("localhost", "127.0.0.1", "127.9.9.9", "::1", "[::1]"))
    assert not any(is_loopback(host) for host in ("0.0.0.0", "localhost.example", ""))
