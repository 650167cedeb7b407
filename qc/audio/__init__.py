"""Recordings: find them, decode them to float32 [channels, n_samples], measure them, cut clips. No text in here."""

from qc.audio.clips import CLIP_CODECS, CLIP_SUFFIX, make_playable, write_clip
from qc.audio.decode import RATE_HZ, Audio, DecodeOptions, decode

__all__ = ["CLIP_CODECS", "CLIP_SUFFIX", "RATE_HZ", "Audio", "DecodeOptions", "decode", "make_playable", "write_clip"]
