"""`streaming.mask_video`: the nearest picture to each latent frame, with what is not meant blanked."""

from __future__ import annotations

import re
from pathlib import Path

import av
import numpy as np
import pytest

from engine.errors import BadInput
from streaming.mask_video import Marks, MaskedPictures, Pixels
from tests.streaming.media_files import tone, write_sound

SIDE = 28


def film(path: Path, pictures: list[Pixels], rate: int = 10) -> Path:
    """A lossless video."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=rate)
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = "bgr0"
        for picture in pictures:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    return path


def grey(level: int) -> Pixels:
    return np.full((32, 48, 3), level, np.uint8)


@pytest.fixture
def video(tmp_path: Path) -> Path:
    return film(tmp_path / "video.mkv", [grey(20 * (1 + number)) for number in range(10)])


def test_the_nearest_picture_to_each_frame(video: Path) -> None:
    with MaskedPictures(video, None) as pictures:
        levels = [int(picture.mean().round()) for picture in pictures.next(30, SIDE)]
    # 10 pictures a second, 25 frames a second: frame 2 (80 ms) lies nearest to picture 1 (100 ms).
    wanted = [20 * (1 + min(round(number / 2.5 + 1e-9), 9)) for number in range(30)]
    assert [abs(level - want) <= 2 for level, want in zip(levels, wanted, strict=True)] == [True] * 30


def test_pieces_follow_each_other_and_sound_may_begin_later(video: Path) -> None:
    with MaskedPictures(video, None) as whole, MaskedPictures(video, None) as pieces:
        once = whole.next(20, SIDE)
        np.testing.assert_array_equal(np.concatenate([pieces.next(7, SIDE), pieces.next(13, SIDE)]), once)
    with MaskedPictures(video, None) as later:
        later.start_s = 0.4
        np.testing.assert_array_equal(later.next(10, SIDE), once[10:])
    assert once.shape == (20, SIDE, SIDE, 3)


def test_from_the_first_picture_again(video: Path) -> None:
    with MaskedPictures(video, video) as pictures:
        pictures.start_s = 0.2
        once = pictures.next(9, SIDE)
        pictures.rewind()
        np.testing.assert_array_equal(pictures.next(9, SIDE), once)
        video.unlink()
        with pytest.raises(BadInput) as caught:
            pictures.rewind()
    assert caught.value.field == "video"


@pytest.mark.parametrize(("marks", "left", "right"), [("target", 200, 0), ("hide", 0, 200)])
def test_a_mask_says_what_is_meant(tmp_path: Path, marks: Marks, left: int, right: int) -> None:
    mask = grey(0)
    mask[:, :24] = 255
    video, mask_video = film(tmp_path / "v.mkv", [grey(200)] * 5), film(tmp_path / "m.mkv", [mask[::2, ::2]] * 5)
    with MaskedPictures(video, mask_video, marks) as pictures:
        (picture,) = pictures.next(1, SIDE)
    assert abs(int(picture[:, : SIDE // 2 - 3].mean()) - left) <= 2
    assert abs(int(picture[:, SIDE // 2 + 3 :].mean()) - right) <= 2


def damaged(path: Path, pictures: list[Pixels]) -> Path:
    """A video whose packets in the middle cannot be decoded."""
    whole = film(path.with_name(f"whole-{path.name}"), pictures)
    with av.open(str(whole)) as source, av.open(str(path), "w") as container:
        stream = container.add_stream_from_template(source.streams.video[0])
        for number, packet in enumerate(source.demux(source.streams.video[0])):
            if packet.dts is None:
                continue
            broken = number == len(pictures) // 2
            copy = av.Packet(b"\xff" * 16 if broken else bytes(packet))
            copy.pts, copy.dts, copy.duration = packet.pts, packet.dts, packet.duration
            copy.time_base, copy.stream, copy.is_keyframe = packet.time_base, stream, packet.is_keyframe
            container.mux(copy)
    return path


@pytest.mark.parametrize("field", ["video", "mask_video"])
def test_a_damaged_video_is_named_with_the_time(tmp_path: Path, video: Path, field: str) -> None:
    bad = damaged(tmp_path / "bad.mkv", [grey(20 * (1 + number)) for number in range(10)])
    files = (bad, video) if field == "video" else (video, bad)
    with MaskedPictures(*files) as pictures, pytest.raises(BadInput) as caught:
        pictures.next(30, SIDE)
    assert caught.value.field == field
    assert "bad.mkv" in caught.value.got
    assert re.search(r"after 0\.[45]0 s", caught.value.got)  # the fifth picture begins and ends there


def test_a_mask_that_ends_early_is_told(tmp_path: Path, video: Path) -> None:
    short = film(tmp_path / "short.mkv", [grey(255)] * 4)
    with MaskedPictures(video, short) as pictures:
        pictures.next(15, SIDE)
        assert not pictures.notes  # 0.6 s: hardly longer than the mask
        pictures.next(10, SIDE)
        assert pictures.notes == ("the pictures of short.mkv end at 0.40 s; its last picture was held until 0.96 s",)
    with MaskedPictures(video, video) as pictures:
        pictures.next(25, SIDE)
        assert not pictures.notes


def test_what_is_no_video(tmp_path: Path, video: Path) -> None:
    sound = write_sound(tmp_path / "a.wav", tone(4800), 48_000, "pcm_s16le")
    with pytest.raises(BadInput) as caught:
        MaskedPictures(sound, None)
    assert caught.value.field == "video"
    for mask in (sound, tmp_path / "lost.mkv"):
        with pytest.raises(BadInput) as caught:
            MaskedPictures(video, mask)
        assert caught.value.field == "mask_video"
