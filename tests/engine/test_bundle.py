"""`engine.bundle`: what ships can be opened, what is broken is listed with its reason."""

from __future__ import annotations

import shutil
from pathlib import Path
from zlib import crc32

import numpy as np
import pytest
from numpy.typing import NDArray

from engine.bundle import Bundle, find_bundle, list_bundles, load_bundle
from engine.errors import BundleError, TamperedBundle, UnknownPrompt
from engine.lexicon import lexicon_for
from engine.offline import separate
from engine.phrase import understand
from engine.prompt import Target
from engine.spec import DEFAULT_MODEL, MODELS_FOLDER, SPEC_FILE
from engine.vocabulary import Vocabulary
from tests.engine.streams import smooth_noise


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


class TrigramEncoder:
    """Another text encoder, as small as one can be: hashed letter triples, and the one linear map that it needs.

    The map is a ridge regression from the embeddings of our own phrases to the vectors of the labels they stand for.
    """

    def __init__(self, vocabulary: Vocabulary) -> None:
        vector_of = dict(zip(vocabulary.labels, vocabulary.vectors, strict=True))
        phrases = {phrase: name for phrase, name in lexicon_for().phrases.items() if name in vector_of}
        embeddings = np.stack([self._embedding(phrase) for phrase in phrases])
        wanted = np.stack([vector_of[name] for name in phrases.values()])
        covariance = embeddings.T @ embeddings + 0.1 * np.eye(embeddings.shape[1])
        self._map = np.linalg.solve(covariance, embeddings.T @ wanted)

    def __call__(self, phrase: str) -> NDArray[np.float32]:
        """`(query_size,)` float32."""
        return np.asarray(self._embedding(phrase) @ self._map, np.float32)

    def _embedding(self, phrase: str) -> NDArray[np.float64]:
        embedding = np.zeros(1024)
        for word in phrase.split():
            for at in range(len(word)):
                embedding[crc32(f" {word} "[at : at + 3].encode()) % 1024] += 1.0
        return embedding / np.linalg.norm(embedding)


def test_another_text_encoder_plugs_in_as_a_concept(embedded: Bundle) -> None:
    phrase, encoder = "chirrupy birdies tweetings", TrigramEncoder(embedded.vocabulary)
    query = encoder(phrase)
    vectors = embedded.vocabulary.vectors
    likeness = vectors @ query / np.linalg.norm(vectors, axis=1)
    assert embedded.vocabulary.labels[int(likeness.argmax())] == "birds"

    own = embedded.with_concepts({phrase: query})
    concepts = understand(f"speech and {phrase}", own.vocabulary.labels)
    expected = query + vectors[embedded.vocabulary.labels.index("speech")]
    np.testing.assert_allclose(own.vocabulary.query(concepts), expected, atol=1e-6)

    sound = smooth_noise(48_000)
    targets = (Target("kept", phrase), Target("rest", f"everything but the {phrase}"), Target("speech", "speech"))
    made = separate(own, sound, 48_000, targets)
    assert made.understood["kept"].labels == (phrase,)
    np.testing.assert_allclose(made.targets["kept"] + made.targets["rest"], sound, atol=1e-5)
    assert np.abs(made.targets["kept"] - made.targets["speech"]).max() > 1e-3


def test_concepts_of_an_encoder_are_known_to_their_own_bundle_only(embedded: Bundle) -> None:
    speech = embedded.vocabulary.query(understand("speech", embedded.vocabulary.labels))
    own = embedded.with_concepts({"bagpipes": speech})
    assert own.program is embedded.program
    sound = smooth_noise(24_000)
    one = separate(own, sound, 48_000, (Target("a", "the bagpipes"),))
    other = separate(embedded, sound, 48_000, (Target("a", "speech"),))
    np.testing.assert_array_equal(one.targets["a"], other.targets["a"])
    with pytest.raises(UnknownPrompt):
        separate(embedded, sound, 48_000, (Target("a", "the bagpipes"),))
