"""`winnow separate --candidates`: several separations of a file, of which the judge keeps one, whole and exact."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from engine.bundle import Bundle, load_bundle
from engine.errors import BadInput
from engine.frames import Samples
from engine.offline import separate
from engine.programs.flow_judge import Judge, Scores
from engine.prompt import Target
from engine.ranking import Trial
from streaming.file_separation import separate_file
from streaming.mask_video import MaskedPictures
from streaming.media_writing import OutputError
from streaming.reranking import Reranking
from tests.engine.flow import FOLDER, SHORT, bundle_in, folder_with_judge
from tests.engine.programs.test_flow_hearing import BEGIN, END, WithEar
from tests.engine.streams import noise
from tests.streaming.media_files import read_all, tone, write_sound, write_video
from tests.streaming.test_cli import winnow
from tests.streaming.test_media_writing import disk_of


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return folder_with_judge(tmp_path_factory.mktemp("judged"))


@pytest.fixture(scope="module")
def bundle(folder: Path) -> Bundle:
    return load_bundle(folder, provider="cpu")


def alone(bundle: Bundle, sound: Samples, prompt: str, seed: int, rate: int = 48_000) -> Samples:
    """One candidate."""
    return separate(bundle, sound, rate, (Target("a", prompt, seed=seed),), residual=False).targets["a"]


def prefers(monkeypatch: pytest.MonkeyPatch, *overall: float) -> None:
    """Let the judge say this of one trial after the other."""
    said = iter(overall)
    monkeypatch.setattr(Trial, "verdict", lambda trial: Scores(next(said), 1.0, 2.0, 3.0))


def test_the_best_of_each_target_is_kept(bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = write_sound(tmp_path / "a.wav", tone(30_000, 2), 48_000, "pcm_f32le")
    # Of the dog the second, of the cat the first candidate; of the third target, which asks for the same, too.
    prefers(monkeypatch, 1.0, 2.0, 2.0, 3.0, 1.0, 1.0)
    report = separate_file(file, ["dog", "cat", "Cat"], bundle=bundle, reranking_candidates=2)
    dog, cat, same, residual = (read_all(one.path) for one in report.outputs)
    sound = read_all(file)
    np.testing.assert_allclose(dog, alone(bundle, sound, "dog", 1), atol=1e-5)
    np.testing.assert_allclose(cat, alone(bundle, sound, "cat", 0), atol=1e-5)
    np.testing.assert_array_equal(cat, same)
    np.testing.assert_allclose(dog + cat + residual, sound, atol=1e-6)
    told = json.loads(json.dumps(report.as_json()))["outputs"]
    assert [one.get("candidates", {}).get("kept") for one in told] == [1, 0, 0, None]
    assert told[1]["candidates"]["scores"][0] == {"overall": 2.0, "recall": 1.0, "precision": 2.0, "faithfulness": 3.0}
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "a.cat-2.wav", "a.cat.wav", "a.dog.wav", "a.residual.wav", "a.wav",
    ]  # fmt: skip


@pytest.mark.parametrize("rate", [16_000, 48_000])
def test_the_judge_hears_the_file_and_what_was_made_of_it(bundle: Bundle, tmp_path: Path, rate: int) -> None:
    file = write_sound(tmp_path / "a.wav", tone(20_000, 1, rate), rate, "pcm_f32le")
    shares: list[float] = []
    report = separate_file(
        file, ["dog"], bundle=bundle, reranking_candidates=2, residual=False,
        progress=lambda done_s, all_s: shares.append(done_s / (all_s or 1.0)),
    )  # fmt: skip
    ranking = report.rankings["dog"]
    sound = read_all(file)
    for seed, scores in enumerate(ranking.scores):
        trial = Trial(bundle, bundle.vocabulary.read("dog"), rate)
        trial.feed(sound, alone(bundle, sound, "dog", seed, rate))
        assert scores == pytest.approx(trial.verdict(), abs=1e-4)
    np.testing.assert_allclose(
        read_all(report.outputs[0].path), alone(bundle, sound, "dog", ranking.best, rate), atol=1e-5
    )
    assert shares == sorted(shares)
    assert shares[-1] == pytest.approx(1.0, abs=1e-3)


def test_words_beside_pictures_are_ranked_pictures_alone_are_not(
    bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    film = write_video(tmp_path / "film.mkv", tone(30_000), seconds=0.6)
    mask = write_video(tmp_path / "mask.mkv", None, seconds=0.6)
    made = []
    for folder, candidates in ((tmp_path / "once", 1), (tmp_path / "ranked", 2)):
        prefers(monkeypatch, 2.0, 1.0)  # the first is kept; the second saw all pictures anew
        with MaskedPictures(film, mask) as pictures:
            report = separate_file(
                film, ["dog"], bundle=bundle, folder=folder, video=False, pictures=pictures,
                reranking_candidates=candidates,
            )  # fmt: skip
        made.append(read_all(report.outputs[0].path))
    np.testing.assert_allclose(made[0], made[1], atol=1e-5)
    out = tmp_path / "alone"
    with MaskedPictures(film, mask) as pictures, pytest.raises(BadInput, match="words") as caught:
        separate_file(film, [""], bundle=bundle, folder=out, pictures=pictures, reranking_candidates=2)
    assert caught.value.field == "reranking_candidates"
    assert not out.exists()


def test_the_command_tells_the_scores(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write_sound(tmp_path / "a.wav", tone(10_000), 48_000, "pcm_s16le")
    words = ("separate", file, "-p", "dog", "-m", folder, "--provider", "cpu", "--candidates")
    assert winnow(monkeypatch, *words, "2", "--json") == 0
    target, residual = json.loads(capsys.readouterr().out)["outputs"]
    assert target["candidates"]["kept"] in (0, 1)
    assert [set(scores) for scores in target["candidates"]["scores"]] == 2 * [set(Scores._fields)]
    assert "candidates" not in residual
    assert winnow(monkeypatch, *words, "2") == 0
    assert "of 2 kept, by the judge's" in " ".join(capsys.readouterr().out.split())
    assert winnow(monkeypatch, *words, "1", "--json") == 0
    assert "candidates" not in json.loads(capsys.readouterr().out)["outputs"][0]


@pytest.mark.parametrize(
    ("model", "count", "said"),
    [(None, "9", "1 to 8"), (None, "0", "1 to 8"), (str(FOLDER), "2", "--judge"), ("identity", "2", "flow_audio")],
)
def test_the_command_refuses(
    model: str | None,
    count: str,
    said: str,
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    file = write_sound(tmp_path / "a.wav", tone(4800), 48_000, "pcm_s16le")
    words = ("separate", file, "-p", "speech", "-m", model or folder, "--candidates", count, "--json")
    assert winnow(monkeypatch, *words) == 2
    error = json.loads(capsys.readouterr().out)["error"]
    assert error["code"] == "bad_input"
    assert said in error["message"]
    assert [path.name for path in tmp_path.iterdir()] == ["a.wav"]


def test_where_the_kept_one_sounds_is_told(
    bundle: Bundle, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = tmp_path / "words"
    words.mkdir()
    for name in ("tokenizer.json", "judge_tokenizer.json", "spans_tokenizer.json"):
        shutil.copy(FOLDER / "tokenizer.json", words / name)
    eared = bundle_in(WithEar(bundle.runtime), SHORT.model_copy(update={"context_s": 2.0}), words)  # type: ignore[arg-type]
    file = write_sound(tmp_path / "a.wav", noise(48_000), 48_000, "pcm_f32le")
    prefers(monkeypatch, 1.0, 2.0)
    report = separate_file(file, ["dog"], bundle=eared, predict_spans=True, reranking_candidates=2)
    ((span,),) = report.spans.values()
    assert (span.start_s, span.end_s) == pytest.approx((BEGIN * 0.04, END * 0.04), abs=0.081)


def test_a_full_disk_leaves_nothing(bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Judge, "scores", lambda *_: Scores(1.0, 1.0, 1.0, 1.0))
    file = write_sound(tmp_path / "a.wav", tone(96_000), 48_000, "pcm_s16le")
    out = tmp_path / "out"
    with disk_of(100_000), pytest.raises(OutputError):
        separate_file(file, ["dog"], bundle=bundle, folder=out, reranking_candidates=2)
    assert list(out.iterdir()) == []


def test_a_file_that_grows_meanwhile_is_refused(bundle: Bundle, tmp_path: Path) -> None:
    sound = tone(9600)
    reranking = Reranking(bundle, (Target("a", "dog"),), 2)
    made = reranking.separated(lambda: iter([sound]), [sound, sound], 48_000, 1, tmp_path)
    assert next(made)["a/target"].shape == sound.shape
    with pytest.raises(BadInput) as caught:
        next(made)
    assert caught.value.field == "file"
    assert list(tmp_path.iterdir()) == []
