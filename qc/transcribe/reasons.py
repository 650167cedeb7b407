"""Every word that a row may carry: reasons of failure, warnings, and why speech was not heard. docs/transcribe.md lists them."""

from __future__ import annotations

REASONS: dict[str, str] = {
    "missing_file": "The call list names a recording that was not found.",
    "unreadable": "The file is there but cannot be opened (permission, disk), or is no regular file.",
    "denied": "The server it lies on refuses it: the key, or its rights.",
    "network": "The server it lies on cannot be reached, or broke off.",
    "empty": "The file has no bytes.",
    "not_audio": "The file's name says recording, its content does not.",
    "headerless": "Headerless G.711 or PCM: say codec and rate with --raw.",
    "no_audio_stream": "A media file without sound.",
    "undecodable": "It begins like a recording, but no sample of it can be decoded.",
    "too_long": "Longer than --max-hours.",
    "no_transcript": "The prepared transcripts have none for this call (engine `replay`).",
    "timeout": "Decoding it took longer than hearing it would, or stood still.",
    "out_of_memory": "The machine's or the device's memory did not suffice for this call.",
    "engine": "The speech engine failed on this call; the message says how.",
    "worker_died": "The call brought down the process that worked on it, twice; the message says how.",
    "bad_format": "An imported transcript is not what its format says.",
    "no_turns": "An imported transcript has no turn.",
    "too_large": "An imported transcript is larger than any call's can be.",
}

WARNINGS: dict[str, str] = {
    "truncated": "The recording breaks off; what was there is transcribed, what its header promised beyond is a span not heard.",
    "damaged": "Parts could not be decoded and were skipped.",
    "mono": "One channel holds both sides: every turn's role is unknown unless --mono-role says it.",
    "voices:N": "One channel; the two sides were told apart by voice and the agent by words, N % sure.",
    "same_channels": "Both channels hold the same mix: heard once, as one channel.",
    "crosstalk:N": "Channel N holds another channel's voice, far quieter; that is not heard again.",
    "silent_channel:N": "Channel N never gets above -60 dBFS.",
    "ringback:N": "Channel N holds ringback or busy tones; they are no speech.",
    "dtmf:N": "Channel N holds dialled digits; they are no speech.",
    "hold_music:N": "Channel N holds music; it is no speech.",
    "rough_times": "The model has no list of the heads that follow the audio; times of single characters are rough.",
    "no_speech": "No speech was found in any channel.",
    "channels_changed": "The number of channels changes midway; the first one counts.",
    "rate_changed": "The sample rate changes midway.",
    "time_jump": "The recording's own clock jumps by more than a minute; the jump is left out.",
    "more_streams": "The file holds several audio streams; the first one counts.",
    "agent_channel_missing": "The agent's channel by the list or the option is not in the recording; every role is unknown.",
    "bad_lines:N": "N lines of the imported transcript could not be read and were left out; the messages say which.",
    "no_times": "The imported transcript has no times; turns are in order, a second apart for want of better.",
    "unmapped_speaker:NAME": "A speaker of the imported transcript has no role; say it with --role NAME=agent.",
}

WHY_NOT_HEARD: dict[str, str] = {
    "no_text": "Speech was found, the recogniser gave no text.",
    "truncated": "The header promises more recording than there is.",
    "pseudo_speech": "A phrase recognisers invent where nobody speaks (subtitle credits and the like), or text where hardly anything is speech.",
    "loop": "The same words over and over.",
    "too_long_text": "More text than anyone can say in that time.",
    "low_confidence": "The mean log-probability is below the floor.",
    "wrong_script": "Mostly written in another script than the language's.",
    "prompt_echo": "The recogniser's own prompt came back.",
    "bad_line": "A line of an imported transcript could not be read.",
    "token_cap": "The recogniser ran on until it was stopped.",
}
"""Also the flags of a turn (but `no_text` and `truncated`, which have no turn)."""
