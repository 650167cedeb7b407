"""Recordings of every kind come out as samples with the channels apart, or as one clear reason."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qc.audio import DecodeOptions, decode
from qc.audio.decode import parse_raw
from qc.errors import AudioError
from tests.audio.sounds import encode, pcm16, strongest_hz, tone, two_sides, write_wav

CODECS = {
    "alaw.wav": "pcm_alaw",
    "ulaw.wav": "pcm_mulaw",
    "pcm.wav": "pcm_s16le",
    "float.wav": "pcm_f32le",
    "wide.wav": "pcm_s32le",
    "bytes.wav": "pcm_u8",
    "adpcm.wav": "adpcm_ima_wav",
    "lossless.flac": "flac",
    "call.mp3": "libmp3lame",
    "call.m4a": "aac",
    "call.aac": "aac",
    "call.opus": "libopus",
    "call.ogg": "libopus",
    "call.webm": "libopus",
    "call.mka": "pcm_alaw",
    "call.au": "pcm_mulaw",
}


@pytest.mark.parametrize("name", CODECS)
def test_two_channels_stay_apart_in_every_codec(name: str, tmp_path: Path) -> None:
    path = encode(tmp_path / name, two_sides(), CODECS[name], rate=16_000 if name == "call.webm" else 8000)
    audio = decode(path)
    assert audio.samples.dtype == np.float32
    assert audio.channels == 2
    assert audio.rate_hz == 16_000
    seconds = 1.0 if name == "call.webm" else 2.0
    assert abs(audio.duration_ms - 1000 * seconds) <= 260
    factor = 2 if name == "call.webm" else 1
    middle = audio.samples[:, 4000:12000]
    assert abs(strongest_hz(middle[0], 16_000) - 400 * factor) < 10
    assert abs(strongest_hz(middle[1], 16_000) - 900 * factor) < 10


def test_amr_and_gsm_recordings_decode() -> None:
    samples = Path(__file__).parents[2] / "audio_samples"
    for name, codec in (("c037.wav", "gsm_ms"), ("c038.amr", "amrnb")):
        audio = decode(samples / name)
        assert (audio.codec, audio.channels, audio.source_rate_hz) == (codec, 1, 8000)
        assert audio.duration_ms > 20_000


def test_samples_are_the_ones_written(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).uniform(-0.9, 0.9, (2, 16_000)).astype(np.float32)
    audio = decode(write_wav(tmp_path / "a.wav", noise, rate=16_000))
    assert np.abs(audio.samples - noise).max() < 1e-4
    assert audio.warnings == ()


def test_more_than_two_channels_are_all_kept(tmp_path: Path) -> None:
    three = np.stack([tone(300, 1), tone(600, 1), tone(1200, 1)])
    audio = decode(write_wav(tmp_path / "a.wav", three))
    assert [round(strongest_hz(row[4000:12000], 16_000) / 10) for row in audio.samples] == [30, 60, 120]


def test_the_same_file_gives_the_same_samples(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.mp3", two_sides(), "libmp3lame")
    assert np.array_equal(decode(path).samples, decode(path).samples)


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.mp3"])
def test_a_cut_recording_is_decoded_as_far_as_it_goes_and_says_what_is_missing(name: str, tmp_path: Path) -> None:
    codec = {"a.wav": "pcm_alaw", "a.flac": "flac", "a.mp3": "libmp3lame"}[name]
    noise = np.random.default_rng(1).uniform(-0.5, 0.5, (2, 10 * 8000)).astype(np.float32)
    whole = encode(tmp_path / name, noise, codec)
    cut = tmp_path / f"cut_{name}"
    data = whole.read_bytes()
    cut.write_bytes(data[: len(data) // 2])
    audio = decode(cut)
    assert "truncated" in audio.warnings
    assert 3_500 < audio.duration_ms < 5_500
    assert audio.expected_ms is not None
    assert abs(audio.expected_ms - 10_000) < 250


def test_a_wav_whose_writer_never_came_back_to_its_header_is_whole(tmp_path: Path) -> None:
    path = write_wav(tmp_path / "a.wav", two_sides())
    data = bytearray(path.read_bytes())
    data[40:44] = b"\xff\xff\xff\xff"
    path.write_bytes(bytes(data))
    audio = decode(path)
    assert audio.duration_ms == 2000
    assert audio.warnings == ()


def test_a_header_that_promises_years_is_not_believed(tmp_path: Path) -> None:
    path = write_wav(tmp_path / "a.wav", two_sides())
    data = bytearray(path.read_bytes())
    data[40:44] = (0x70000000).to_bytes(4, "little")
    path.write_bytes(bytes(data))
    audio = decode(path)
    assert "truncated" in audio.warnings
    assert audio.expected_ms is None


@pytest.mark.parametrize(
    ("name", "data", "code"),
    [
        ("a.wav", b"", "empty"),
        ("a.mp3", b"hello, this is no recording\n" * 50, "not_audio"),
        ("a.wav", b"RIFF\x24\x00\x00\x00WAVEfmt ", "undecodable"),
        ("a.alaw", b"\xd5" * 8000, "headerless"),
        ("a.raw", b"\0\1" * 8000, "headerless"),
        ("a.m3u8", b"#EXTM3U\nfile:///etc/passwd\n", "not_audio"),
        ("a.wav", b"ffconcat version 1.0\nfile /etc/hostname\n", "not_audio"),
    ],
)
def test_what_cannot_be_decoded_has_its_own_reason(name: str, data: bytes, code: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(data)
    with pytest.raises(AudioError) as caught:
        decode(path)
    assert caught.value.code == code


def test_a_missing_file_a_folder_and_a_protocol_are_not_opened(tmp_path: Path) -> None:
    for path, code in (
        (tmp_path / "no.wav", "missing_file"),
        (tmp_path, "unreadable"),
        (Path("concat:a.wav|b.wav"), "missing_file"),
    ):
        with pytest.raises(AudioError) as caught:
            decode(path)
        assert caught.value.code == code


def test_a_file_named_like_a_protocol_is_a_file(tmp_path: Path) -> None:
    assert decode(write_wav(tmp_path / "data:,x.wav", two_sides())).channels == 2


def test_a_video_without_sound_says_so(tmp_path: Path) -> None:
    import av

    path = tmp_path / "a.mp4"
    with av.open(str(path), "w") as out:
        stream = out.add_stream("mpeg4", rate=10)
        stream.width = stream.height = 32
        stream.pix_fmt = "yuv420p"
        for _ in range(3):
            for packet in stream.encode(av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), format="rgb24")):
                out.mux(packet)
        for packet in stream.encode(None):
            out.mux(packet)
    with pytest.raises(AudioError) as caught:
        decode(path)
    assert caught.value.code == "no_audio_stream"


def test_headerless_recordings_decode_when_their_form_is_said(tmp_path: Path) -> None:
    path = tmp_path / "a.raw"
    path.write_bytes(pcm16(two_sides()))
    audio = decode(path, DecodeOptions(raw="s16le:8000:2"))
    assert (audio.channels, audio.duration_ms) == (2, 2000)
    assert abs(strongest_hz(audio.samples[1, 4000:12000], 16_000) - 900) < 10
    law = encode(tmp_path / "b.wav", two_sides(), "pcm_alaw").read_bytes()
    (tmp_path / "b.alaw").write_bytes(law[law.index(b"data") + 8 :])
    assert decode(tmp_path / "b.alaw", DecodeOptions(raw="alaw:8000:2")).duration_ms == 2000


def test_raw_takes_commas_and_the_names_that_people_use() -> None:
    assert parse_raw("alaw,8000,2") == ("alaw", 8000, 2)
    assert parse_raw("ulaw:8000") == parse_raw("mulaw,8000,1") == ("mulaw", 8000, 1)
    assert parse_raw("vox,6000") == ("vox", 6000, 1)


def test_dialogic_adpcm_decodes_when_its_rate_is_said(tmp_path: Path) -> None:
    # A square wave of 250 Hz: 16 samples up, 16 down, in steps of the codec's smallest quantiser doubling and halving.
    path = tmp_path / "a.vox"
    path.write_bytes((b"\x77" * 8 + b"\xff" * 8) * 250)
    audio = decode(path, DecodeOptions(raw="vox:8000"))
    assert (audio.container, audio.codec, audio.channels, audio.duration_ms) == ("vox", "adpcm_ima_oki", 1, 1000)
    assert abs(strongest_hz(audio.samples[0], 16_000) - 250) < 10
    with pytest.raises(AudioError, match="does not say"):
        decode(path)


def test_a_bare_mp3_that_breaks_off_within_a_frame_says_so(tmp_path: Path) -> None:
    noise = np.random.default_rng(5).uniform(-0.5, 0.5, (1, 4 * 8000)).astype(np.float32)
    whole = encode(tmp_path / "a.mp3", noise, "libmp3lame", write_xing="0").read_bytes()
    assert decode(tmp_path / "a.mp3").warnings == ()
    (tmp_path / "cut.mp3").write_bytes(whole[: len(whole) // 2 + 11])
    assert decode(tmp_path / "cut.mp3").warnings == ("truncated",)
    (tmp_path / "tagged.mp3").write_bytes(whole + b"TAG" + b" " * 125)
    assert decode(tmp_path / "tagged.mp3").warnings == ()


def test_decoding_that_does_not_keep_up_is_given_up(tmp_path: Path) -> None:
    path = write_wav(tmp_path / "a.wav", two_sides(10))
    with pytest.raises(AudioError) as caught:
        decode(path, DecodeOptions(stall_s=-60.0))
    assert caught.value.code == "timeout"


def test_raw_does_not_touch_recordings_with_a_header(tmp_path: Path) -> None:
    path = write_wav(tmp_path / "a.wav", two_sides())
    assert decode(path, DecodeOptions(raw="alaw:16000")).duration_ms == 2000


@pytest.mark.parametrize("raw", ["", "alaw", "alaw:", "alaw:0", "alaw:8000:0", "alaw:8000:99", "h264:8000", "alaw:٨٠٠٠"])
def test_a_wrong_raw_form_is_refused(raw: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_raw(raw)


def test_a_recording_beyond_the_limit_is_refused_before_it_is_held(tmp_path: Path) -> None:
    path = write_wav(tmp_path / "a.wav", two_sides(10))
    with pytest.raises(AudioError) as caught:
        decode(path, DecodeOptions(max_hours=5 / 3600))
    assert caught.value.code == "too_long"


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=st.sampled_from(["a.wav", "a.mp3", "a.flac", "a.ogg", "a.m4a"]), data=st.data())
def test_damaged_bytes_give_samples_or_an_audio_error(tmp_path: Path, name: str, data: st.DataObject) -> None:
    codec = {"a.wav": "pcm_alaw", "a.mp3": "libmp3lame", "a.flac": "flac", "a.ogg": "libopus", "a.m4a": "aac"}[name]
    whole = tmp_path / f"whole_{name}"
    if not whole.exists():
        encode(whole, two_sides(1), codec)
    content = bytearray(whole.read_bytes())
    for _ in range(data.draw(st.integers(1, 12))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path / name
    path.write_bytes(bytes(content[: data.draw(st.integers(1, len(content)))]))
    try:
        audio = decode(path, DecodeOptions(max_hours=0.1))
    except AudioError as error:
        assert error.code in {"undecodable", "not_audio", "no_audio_stream", "too_long"}
    else:
        assert audio.samples.shape[1] > 0
        assert np.isfinite(audio.samples).all()
