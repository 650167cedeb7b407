"""What is quoted, what is marked, and where the player starts."""

from __future__ import annotations

from typing import Any

from fixture_store import turns_of
from hypothesis import given, settings
from hypothesis import strategies as st

from qc.report.excerpt import MOST_EVIDENCE, excerpts

STORY = [
    ("agent", "您好。", 500),
    ("customer", "我要退款。", 500),
    ("agent", "我们会尽快处理，尽快。", 500),
    ("customer", "好。", 9_000),
    ("agent", "再见。", 500),
]
TURNS = turns_of(STORY)


def piece(turn: int | None, start_ms: int, end_ms: int, chars: tuple[int, int] | None = None) -> dict[str, Any]:
    first, last = chars or (None, None)
    return {
        "turn": turn,
        "role": "agent",
        "start_ms": start_ms,
        "end_ms": end_ms,
        "char_start": first,
        "char_end": last,
        "quote": None,
    }


def test_words_are_marked_in_their_turn_between_its_neighbours() -> None:
    (run,) = excerpts([piece(2, 4_250, 4_750, (3, 5)), piece(2, 5_500, 6_000, (8, 10))], TURNS)
    assert [(line.turn, line.marked) for line in run] == [(1, False), (2, True), (3, False)]
    assert run[1].pieces == (("我们会", False), ("尽快", True), ("处理，", False), ("尽快", True), ("。", False))
    assert (run[1].start_ms, run[1].seek_ms) == (4_250, 2_250)
    assert run[0].seek_ms == run[0].start_ms


def test_the_player_never_starts_before_the_recording() -> None:
    (run,) = excerpts([piece(0, 700, 900, (0, 1))], TURNS)
    assert run[0].seek_ms == 0


def test_a_silence_stands_between_the_turns_around_it() -> None:
    (run,) = excerpts([piece(None, TURNS[2]["end_ms"], TURNS[3]["start_ms"])], TURNS)
    assert [(line.turn, line.role) for line in run] == [(2, "agent"), (None, "silence"), (3, "customer")]


def test_a_window_stands_before_the_turns_that_it_holds() -> None:
    (run,) = excerpts([piece(None, 0, 2_900)], TURNS)
    assert [(line.turn, line.role) for line in run] == [(None, "window"), (0, "agent"), (1, "customer")]
    assert run[0].seek_ms == 0
    (last,) = excerpts([piece(None, TURNS[3]["start_ms"], TURNS[4]["end_ms"])], TURNS)
    assert [line.role for line in last] == ["window", "customer", "agent"]


def test_places_far_apart_are_excerpts_of_their_own() -> None:
    turns = turns_of([("agent", "尽快", 500)] * 9)
    first, last = excerpts([piece(1, 0, 1, (0, 2)), piece(7, 0, 1, (0, 2))], turns)
    assert [line.turn for line in first] == [0, 1, 2]
    assert [line.turn for line in last] == [6, 7, 8]


def test_long_turns_are_cut_around_the_mark() -> None:
    turns = turns_of([("agent", "甲" * 3_000 + "尽快" + "乙" * 3_000, 0)])
    (run,) = excerpts([piece(0, 0, 1, (3_000, 3_002))], turns)
    assert run[0].pieces[0] == run[0].pieces[-1] == ("…", False)
    assert ("尽快", True) in run[0].pieces
    assert sum(len(t) for t, _ in run[0].pieces) < 700


def test_an_empty_transcript_still_shows_the_place() -> None:
    (run,) = excerpts([piece(None, 100, 9_000)], [])
    assert [line.role for line in run] == ["silence"]
    assert excerpts([], TURNS) == ()


_MS = st.integers(-5_000, 60_000)
_EVIDENCE = st.builds(
    piece,
    st.one_of(st.none(), st.integers(-3, 9)),
    _MS,
    _MS,
    st.one_of(st.none(), st.tuples(st.integers(-5, 50), st.integers(-5, 50))),
)


@settings(deadline=None)
@given(st.lists(_EVIDENCE, max_size=9), st.integers(0, 5))
def test_whatever_the_evidence_no_word_is_lost_or_doubled(evidence: list[dict[str, Any]], size: int) -> None:
    turns = TURNS[:size]
    lines = [line for run in excerpts(evidence, turns) for line in run]
    numbers = [line.turn for line in lines if line.turn is not None]
    assert numbers == sorted(set(numbers))
    for line in lines:
        assert line.seek_ms >= 0 or line.turn is None
        if line.turn is not None:
            assert "".join(text for text, _ in line.pieces) == turns[line.turn]["text"]
    between = [e for e in evidence[:MOST_EVIDENCE] if e["turn"] is None or not 0 <= e["turn"] < size]
    assert sum(line.turn is None for line in lines) == len(between)
