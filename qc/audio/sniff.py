"""Whether a file is a recording, told from its first bytes, and what its header promises. Cheap: a few kilobytes read.

Suffixes lie and are lost, so content decides. Only where a file has no mark of its own (headerless G.711, raw GSM)
does the suffix.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

AUDIO_SUFFIXES = frozenset(
    ".wav .wave .w64 .mp3 .mp2 .m4a .m4b .aac .mp4 .3gp .amr .awb .ogg .oga .opus .flac .gsm .wma .aif .aiff .aifc .au .snd .caf .webm .mka"
    " .voc .ape .tta .spx .sph .nist .v3 .vox .alaw .ulaw .mulaw .al .ul .g711 .g711a .g711u .g722 .g729 .pcm .raw .s16le".split()
)
_HEADERLESS = frozenset(".alaw .ulaw .mulaw .al .ul .g711 .g711a .g711u .pcm .raw .s16le .vox .v3".split())
_HEAD = 4096
_TAIL = 65_536
_SURE_FRAMES = 4
_UNKNOWN_LENGTHS = (0, 0x7FFFF000)  # data sizes that a streaming writer leaves: none, and "very long" from here on

_MAGIC: tuple[tuple[int, bytes], ...] = (
    (0, b"OggS"),
    (0, b"fLaC"),
    (0, b"#!AMR"),
    (0, b"\x1aE\xdf\xa3"),
    (0, b"caff"),
    (0, b".snd"),
    (0, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11"),
    (0, b"Creative Voice File"),
    (0, b"NIST_1A"),
    (0, b"MAC "),
    (0, b"TTA1"),
    (0, b"riff\x2e\x91\xcf\x11"),
)
_PICTURE_BRANDS = (b"heic", b"heix", b"avif", b"avis", b"mif1", b"msf1", b"crx ", b"jp2 ")


def is_audio(path: Path) -> bool:
    """Whether the first bytes are those of a recording FFmpeg can read. Raises OSError."""
    with open(path, "rb") as file:
        head = file.read(_HEAD)
    return (
        any(test(head) for test in _TESTS) or _is_mpeg_after_id3(path, head) or (path.suffix.lower() == ".gsm" and _is_gsm(head))
    )


def has_audio_suffix(path: Path) -> bool:
    """Whether the name says that this is a recording."""
    return path.suffix.lower() in AUDIO_SUFFIXES


def suffix_is_headerless(path: Path) -> bool:
    """Whether the name says that the file is headerless, and its first bytes do not say otherwise."""
    if path.suffix.lower() not in _HEADERLESS:
        return False
    try:
        return not is_audio(path)
    except OSError:
        return False


def _has_magic(head: bytes) -> bool:
    return any(head.startswith(mark, offset) for offset, mark in _MAGIC)


def _is_riff(head: bytes) -> bool:
    return head[:4] in (b"RIFF", b"RF64", b"RIFX", b"BW64") and head[8:12] == b"WAVE"


def _is_aiff(head: bytes) -> bool:
    return head[:4] == b"FORM" and head[8:12] in (b"AIFF", b"AIFC")


def _is_mp4(head: bytes) -> bool:
    return head[4:8] == b"ftyp" and head[8:12] not in _PICTURE_BRANDS


_MPEG_KBITS = {
    (3, 3): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (3, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (3, 1): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (2, 3): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (2, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}


def _mpeg_length(data: bytes, at: int) -> int:
    """Bytes of the MPEG layer II or III frame at `at`, 0 when there is none. Source: ISO/IEC 11172-3 and 13818-3."""
    if len(data) < at + 4 or data[at] != 0xFF or data[at + 1] & 0xE0 != 0xE0:
        return 0
    version, layer = data[at + 1] >> 3 & 3, data[at + 1] >> 1 & 3
    bits, rate = data[at + 2] >> 4, data[at + 2] >> 2 & 3
    if version == 1 or layer not in (1, 2) or not 1 <= bits <= 14 or rate == 3:
        return 0
    kbits = _MPEG_KBITS[(3, layer) if version == 3 else (2, 2)][bits - 1]
    hertz = (44_100, 48_000, 32_000)[rate] // {3: 1, 2: 2, 0: 4}[version]
    per_frame = 72 if layer == 1 and version != 3 else 144
    return per_frame * kbits * 1000 // hertz + (data[at + 2] >> 1 & 1)


def _adts_length(data: bytes, at: int) -> int:
    """Bytes of the ADTS frame at `at`, 0 when there is none. Source: ISO/IEC 13818-7."""
    if len(data) < at + 7 or data[at] != 0xFF or data[at + 1] & 0xF6 != 0xF0 or data[at + 2] >> 2 & 15 > 12:
        return 0
    return (data[at + 3] & 3) << 11 | data[at + 4] << 3 | data[at + 5] >> 5


def _chain(head: bytes, length: Callable[[bytes, int], int], frames: int = 2) -> bool:
    """Whether `frames` frames follow one another from some early place: two marks at the right distance are no chance."""
    at = head.find(b"\xff")
    while 0 <= at < len(head) - 8:
        place, seen = at, 0
        while seen <= frames and (step := length(head, place)) > 7:
            place, seen = place + step, seen + 1
            if place + 8 > len(head):
                break
        if seen > frames or (seen == frames and at == 0):
            return True
        at = head.find(b"\xff", at + 1)
    return False


def _is_mpeg(head: bytes) -> bool:
    return _chain(head, _mpeg_length)


def _is_adts(head: bytes) -> bool:
    return head[:1] == b"\xff" and _chain(head[:_HEAD], _adts_length)


def _is_mpeg_after_id3(path: Path, head: bytes) -> bool:
    """An ID3v2 tag, then audio: the tag may be larger than what was read."""
    if head[:3] != b"ID3" or len(head) < 10:
        return False
    size = (head[6] & 127) << 21 | (head[7] & 127) << 14 | (head[8] & 127) << 7 | head[9] & 127
    with open(path, "rb") as file:
        file.seek(10 + size)
        rest = file.read(_HEAD)
    return rest[:4] == b"fLaC" or _is_mpeg(rest) or _is_adts(rest)


def _is_gsm(head: bytes) -> bool:
    """Raw GSM 06.10: frames of 33 bytes, the first nibble of each is 13."""
    return len(head) >= 33 and all(head[i] >> 4 == 13 for i in range(0, len(head) // 33 * 33, 33))


_TESTS: tuple[Callable[[bytes], bool], ...] = (_has_magic, _is_riff, _is_aiff, _is_mp4, _is_mpeg, _is_adts)


def declared_samples(path: Path, container: str) -> int | None:
    """Samples per channel that the header promises, None where it does not say or cannot be believed."""
    reader = {"wav": _wav_samples, "flac": _flac_samples, "mp3": _mp3_samples}.get(container)
    try:
        return reader(path) if reader else None
    except (OSError, struct.error, ValueError, OverflowError):
        return None


def missing_end(path: Path) -> bool:
    """Whether the file visibly breaks off: an Ogg stream without its last-page mark, an MP4 whose boxes run past the end, an
    MP3 or ADTS stream in the middle of a frame.
    """
    try:
        size = path.stat().st_size
        with open(path, "rb") as file:
            head = file.read(16)
            if head[:4] == b"OggS":
                file.seek(max(0, size - _TAIL))
                tail = file.read(_TAIL)
                last = tail.rfind(b"OggS")
                return last >= 0 and len(tail) > last + 5 and not tail[last + 5] & 4
            if head[4:8] == b"ftyp":
                return _boxes_run_out(file, size)
            if head[:3] != b"ID3" and head[:1] != b"\xff":
                return False
            file.seek(max(0, size - _TAIL))
            return _frame_cut_short(file.read(_TAIL))
    except OSError:
        return False


def _frame_cut_short(tail: bytes) -> bool:
    """Whether a stream of MPEG or ADTS frames, by its last bytes, ends within a frame. Tags behind the last frame are no frame."""
    for length in (_adts_length, _mpeg_length):
        at = tail.find(b"\xff")
        while 0 <= at < len(tail) - 8:
            place, seen = at, 0
            while (step := length(tail, place)) > 7 and place + step <= len(tail):
                place, seen = place + step, seen + 1
            if seen >= _SURE_FRAMES:
                return length(tail, place) > 7 or (0 < len(tail) - place < 8 and tail[place] == 0xFF)
            at = tail.find(b"\xff", at + 1)
    return False


def _boxes_run_out(file: object, size: int) -> bool:
    read, seek = file.read, file.seek  # type: ignore[attr-defined]
    at = 0
    for _ in range(10_000):
        if at >= size:
            return at > size
        seek(at)
        header = read(16)
        if len(header) < 8:
            return True
        length = int.from_bytes(header[:4], "big")
        if length == 1:
            length = int.from_bytes(header[8:16], "big")
        if length == 0:
            return False
        if length < 8:
            return True
        at += length
    return False


def _wav_samples(path: Path) -> int | None:
    """From `data`'s size and `fmt `'s block, or `fact` for compressed codecs. Source: RIFF WAVE, Microsoft 1994."""
    size = path.stat().st_size
    with open(path, "rb") as file:
        if file.read(4) not in (b"RIFF", b"RIFX"):
            return None
        file.seek(12)
        block = per_second = rate = tag = 0
        fact: int | None = None
        for _ in range(1_000):
            header = file.read(8)
            if len(header) < 8:
                return None
            name, length = header[:4], int.from_bytes(header[4:], "little")
            if name == b"data":
                if length in _UNKNOWN_LENGTHS or length >= _UNKNOWN_LENGTHS[1] or file.tell() + length <= size:
                    return None
                if fact and tag not in (1, 3, 6, 7):
                    return fact
                if tag in (1, 3, 6, 7, 0xFFFE):
                    return length // block if block else None
                return length * rate // per_second if per_second else None
            body = file.read(min(length, 64))
            if name == b"fmt ":
                tag, _channels, rate, per_second, block = struct.unpack("<HHIIH", body[:14])
            elif name == b"fact" and len(body) >= 4:
                fact = int.from_bytes(body[:4], "little")
            file.seek(length - len(body) + (length & 1), 1)
    return None


def _flac_samples(path: Path) -> int | None:
    """From STREAMINFO, RFC 9639 section 8.2. Believed only where the file is shorter than the samples could ever be."""
    with open(path, "rb") as file:
        head = file.read(42)
    if head[:4] != b"fLaC" or head[4] & 127 != 0 or len(head) < 26:
        return None
    samples = (head[21] & 15) << 32 | int.from_bytes(head[22:26], "big")
    return samples or None


def _mp3_samples(path: Path) -> int | None:
    """From the frame count of a Xing or Info header in the first frame, where an encoder wrote one."""
    with open(path, "rb") as file:
        head = file.read(10)
        if head[:3] == b"ID3":
            file.seek(10 + ((head[6] & 127) << 21 | (head[7] & 127) << 14 | (head[8] & 127) << 7 | head[9] & 127))
        else:
            file.seek(0)
        frame = file.read(256)
    at = max(frame.find(b"Xing"), frame.find(b"Info"))
    if at < 0 or _mpeg_length(frame, 0) == 0 or len(frame) < at + 12 or not frame[at + 7] & 1:
        return None
    return int.from_bytes(frame[at + 8 : at + 12], "big") * (1152 if frame[1] >> 3 & 3 == 3 else 576)
