"""Times of tokens: the warping is exact, and packed text comes apart where its utterances do."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.lib.stride_tricks import sliding_window_view

from qc.transcribe.engines import Window, loops
from qc.transcribe.engines.align import _followed, fallback_heads, first_columns
from qc.transcribe.packing import cuts, pack

costs = st.integers(1, 6).flatmap(
    lambda n: st.integers(1, 8).flatmap(
        lambda m: st.lists(st.lists(st.integers(-9, 9), min_size=m, max_size=m), min_size=n, max_size=n)
    )
)


def cheapest(cost: np.ndarray) -> float:
    """The cost of the cheapest path, cell by cell."""
    best = np.full((cost.shape[0] + 1, cost.shape[1] + 1), np.inf)
    best[0, 0] = 0
    for i in range(1, best.shape[0]):
        for j in range(1, best.shape[1]):
            best[i, j] = cost[i - 1, j - 1] + min(best[i - 1, j - 1], best[i - 1, j], best[i, j - 1])
    return float(best[-1, -1])


@settings(max_examples=300, deadline=None)
@given(costs)
def test_the_path_found_is_a_cheapest_path(rows: list[list[int]]) -> None:
    cost = np.array(rows, float)
    begun = first_columns(cost)
    assert begun[0] == 0
    spent = 0.0
    for row, first in enumerate(begun):
        rest = cost[row, first:].cumsum()
        if row + 1 == len(begun):
            spent += rest[-1]
        else:  # the next row is entered from straight above or from one column before
            ends = [c for c in (begun[row + 1] - 1, begun[row + 1]) if first <= c]
            assert ends
            spent += min(rest[c - first] for c in ends)
    assert spent == pytest.approx(cheapest(cost))


def test_a_clear_diagonal_is_followed() -> None:
    heard = np.full((4, 40), -0.1)
    for row in range(4):
        heard[row, 10 * row : 10 * row + 10] = 1.0
    assert first_columns(-heard).tolist() == [0, 10, 20, 30]


@pytest.mark.parametrize("count", [1, 3, 4, 5, 8, 200])
def test_medians_of_seven(count: int) -> None:
    values = np.random.default_rng(count).standard_normal((3, count)).astype(np.float32)
    wanted = (
        values if count <= 3 else np.median(sliding_window_view(np.pad(values, ((0, 0), (3, 3)), "reflect"), 7, axis=1), axis=2)
    )
    loops.medians(values)
    assert np.array_equal(values, wanted)


def test_what_is_heard_of_a_text_is_the_same_in_machine_code() -> None:
    import torch

    made, heads, d, ctx, tokens, frames = np.random.default_rng(3), 4, 16, 90, 7, 71
    queries = made.standard_normal((2, tokens, d)).astype(np.float32) * 4
    keys, scales = made.integers(-127, 128, (heads, d, ctx)).astype(np.int8), made.random((heads, d)).astype(np.float32) / 100
    at = np.array([3, 1])
    scores = queries @ (keys[at] * scales[at][:, :, None]) / np.sqrt(d)
    weights = torch.from_numpy(scores).softmax(dim=-1)[None]
    wanted = _followed(weights, torch.tensor([frames]), torch.tensor([tokens]))[0, :, :frames]
    found = loops.heard(queries, at, keys, scales, frames)
    assert np.allclose(found, wanted.numpy(), atol=1e-3)


def test_without_listed_heads_the_later_half_of_the_layers_is_taken() -> None:
    assert fallback_heads({"n_text_layer": 3, "n_text_head": 2}) == [(1, 0), (1, 1), (2, 0), (2, 1)]


def window(channel: int, start_ms: int, length_ms: int, alone: bool = False, pad_ms: int = 100) -> Window:
    return Window(
        np.arange(start_ms * 16, (start_ms + length_ms + 2 * pad_ms) * 16, dtype=np.float32),
        channel,
        start_ms + pad_ms,
        start_ms + pad_ms + length_ms,
        lead_ms=pad_ms,
        alone=alone,
    )


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 1), st.integers(100, 9_000), st.booleans(), st.sampled_from([0, 90, 300])), max_size=30))
def test_packs_hold_every_window_once_in_order_of_one_channel_and_not_too_long(made: list[tuple[int, int, bool, int]]) -> None:
    windows = [window(c, 10_000 * n, size, alone and n % 5 == 0, pad) for n, (c, size, alone, pad) in enumerate(made)]
    packs = pack(windows, 20_000)
    assert sorted(m for p in packs for m in p.members) == list(range(len(windows)))
    assert [p.members[0] for p in packs] == sorted(p.members[0] for p in packs)
    for one in packs:
        assert list(one.members) == sorted(one.members)
        assert len({windows[m].channel for m in one.members}) == 1
        assert len(one.members) == 1 or sum(len(w.samples) for w in one.windows) <= 20_000 * 16
        assert len(one.members) == 1 or not any(windows[m].alone for m in one.members)
        moments = one.between()
        assert moments == sorted(moments)
        assert len(moments) == len(one.members) - 1
        for n, (member, heard) in enumerate(zip(one.members, one.windows, strict=True)):
            whole = windows[member]
            pads = (heard.lead_ms, len(heard.samples) // 16 - heard.lead_ms - heard.speech_ms)
            wanted = min(whole.lead_ms, 200)  # pads are as long on both sides here
            assert pads == (wanted if n else whole.lead_ms, wanted if n + 1 < len(one.members) else whole.lead_ms)
            assert heard.samples[0] == (heard.start_ms - heard.lead_ms) * 16
            assert (np.diff(heard.samples) == 1).all()
            assert (heard.start_ms, heard.end_ms) == (whole.start_ms, whole.end_ms)


def test_a_short_utterance_still_goes_where_a_long_one_did_not_fit() -> None:
    sizes = [15_000, 12_000, 9_000, 3_000, 7_000]
    packs = pack([window(0, 20_000 * n, size) for n, size in enumerate(sizes)], 20_000)
    assert [p.members for p in packs] == [(0, 3), (1, 4), (2,)]


def test_full_windows_are_made_of_short_utterances() -> None:
    assert len(pack([window(n % 2, 3000 * n, 2_000) for n in range(24)], 28_000)) == 2


def test_packed_text_comes_apart_between_its_utterances() -> None:
    text = "您好。我要退款，谢谢。好的"
    heard = [100, 300, 500, 2000, 2200, 2400, 2600, 2700, 3000, 3200, 3300, 5000, 5300]
    assert cuts(text, heard, [1000, 4000]) == [3, 11]


def test_a_mark_heard_late_still_ends_the_sentence_before_it() -> None:
    assert cuts("您好。退款。", [100, 300, 1200, 1400, 1600, 1700], [1000]) == [3]
    assert cuts("您好。退款。", [100, 300, 500, 900, 1600, 1700], [1000]) == [3]


def test_utterances_without_text_get_none() -> None:
    assert cuts("", [], [1000, 2000]) == [0, 0]
    assert cuts("好", [2500], [1000, 2000]) == [0, 0]
    assert cuts("好", [100], [1000, 2000]) == [1, 1]


@settings(max_examples=300, deadline=None)
@given(
    st.text(alphabet="好的退款，。？", max_size=30),
    st.lists(st.floats(0, 9_000), max_size=6),
    st.randoms(use_true_random=False),
)
def test_cuts_never_go_back(text: str, moments: list[float], random: object) -> None:
    heard = sorted(random.uniform(0, 9_000) for _ in text)  # type: ignore[attr-defined]
    found = cuts(text, heard, sorted(moments))
    assert len(found) == len(moments)
    assert found == sorted(found)
    assert all(0 <= place <= len(text) for place in found)
