"""`engine.bundle`: what ships can be opened, what is broken is listed with its reason."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from engine.bundle import find_bundle, list_bundles, load_bundle
from engine.errors import BundleError, TamperedBundle
from engine.spec import DEFAULT_MODEL, MODELS_FOLDER, SPEC_FILE


def test_every_embedded_bundle_is_whole() -> None:
    found = {listed.name: listed for listed in list_bundles()}
    assert {"identity", DEFAULT_MODEL} <= set(found)
    assert [listed.error for listed in found.values()] == [None] * len(found)


def test_nothing_in_an_embedded_bundle_goes_unsigned() -> None:
    for listed in list_bundles():
        assert listed.spec is not None
        files = {path.name for path in listed.folder.iterdir()}
        assert files == {SPEC_FILE, *listed.spec.artifacts}, listed.name


def test_the_default_model_keeps_its_promise(embedded: object) -> None:
    bundle = load_bundle("default", provider="cpu")
    audio = bundle.spec.audio
    assert (audio.sample_rate, audio.window, audio.hop, audio.lookahead) == (48_000, 960, 480, 0)
    assert 1000 * audio.latency_s <= 20
    assert (bundle.folder / "CARD.md").is_file()
    assert bundle.provider == "CPUExecutionProvider"
    assert "speech" in bundle.vocabulary.advertised
    size = sum(path.stat().st_size for path in bundle.folder.iterdir())
    assert size < 8_000_000


def test_a_tampered_copy_is_refused_and_listed(tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(MODELS_FOLDER / DEFAULT_MODEL, copy)
    graph = copy / "separator.onnx"
    content = bytearray(graph.read_bytes())
    content[len(content) // 2] ^= 1
    graph.write_bytes(content)
    with pytest.raises(TamperedBundle, match=r"separator\.onnx"):
        load_bundle(copy)
    (listed,) = list_bundles((tmp_path,))
    assert isinstance(listed.error, TamperedBundle)


def test_no_such_model_names_those_there_are() -> None:
    with pytest.raises(BundleError, match="identity"):
        find_bundle("nonsense")
