"""A decode step in 8 bits and machine code says what the same figures give in float64, row by row."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from qc.transcribe.engines import loops
from qc.transcribe.engines import network as network_module
from qc.transcribe.engines.matrices import eight_bits_fast
from qc.transcribe.engines.network import Caches, Choices, Network
from tests.transcribe.models import DIMS, ENGLISH, weights

needs_vnni = pytest.mark.skipif(not eight_bits_fast(), reason="this processor does not multiply 8-bit integers in hardware")
RNG = np.random.default_rng(11)


def sound(rows: int, heads: int, d: int, ctx: int) -> tuple[np.ndarray, ...]:
    return (
        RNG.integers(-127, 128, (rows, heads, d, ctx)).astype(np.int8),
        (RNG.random((rows, heads, d)) * 0.02).astype(np.float32),
        RNG.integers(-127, 128, (rows, heads, ctx, d)).astype(np.int8),
        (RNG.random((rows, heads, d)) * 0.02).astype(np.float32),
    )


def attention(query: np.ndarray, keys: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Of query [d] over keys and values [n, d], in float64."""
    scores = keys.astype(float) @ query.astype(float) / np.sqrt(len(query))
    shares = np.exp(scores - scores.max())
    return shares @ values.astype(float) / shares.sum()


def by_head(
    query: np.ndarray, keys: np.ndarray, key_scales: np.ndarray, values: np.ndarray, value_scales: np.ndarray
) -> np.ndarray:
    """Of one position's queries [heads, d] over one window's sound."""
    return np.stack(
        [attention(query[h], (keys[h] * key_scales[h][:, None]).T, values[h] * value_scales[h]) for h in range(len(query))]
    )


def from_bytes(given: np.ndarray, most: np.ndarray) -> np.ndarray:
    return (given.astype(float) - 128) * most[:, None] / 127


@pytest.mark.parametrize(("heads", "d", "ctx"), [(2, 64, 1500), (3, 16, 101), (1, 13, 7), (2, 4, 1)])
def test_attention_over_sound(heads: int, d: int, ctx: int) -> None:
    kept, rows = sound(4, heads, d, ctx), np.array([2, 0, 2])
    query = (RNG.standard_normal((3, heads, d)) * 3).astype(np.float32)
    out = np.empty_like(query)
    loops.looked(query, rows, np.full(4, ctx), *kept, out)
    for n, row in enumerate(rows):
        assert np.allclose(out[n], by_head(query[n], *(part[row] for part in kept)), atol=1e-5)

    y, bias = RNG.standard_normal((4, heads * d)).astype(np.float32), RNG.standard_normal(heads * d).astype(np.float32)
    before = np.array([0.5, 1, 2, 3], np.float32)
    most, asked, given = before.copy(), np.empty((4, heads, d), np.float32), np.empty((4, heads * d), np.uint8)
    loops.attended_audio(y, most, bias, np.full(4, ctx), *kept, asked, given)
    for n in range(4):
        wanted = (y[n] * before[n] + bias).reshape(heads, d)
        assert np.allclose(asked[n], wanted, atol=1e-6)
        exact = by_head(wanted, *(part[n] for part in kept)).ravel()
        assert most[n] == pytest.approx(np.abs(exact).max(), abs=1e-5)
        assert np.abs(from_bytes(given, most)[n] - exact).max() <= most[n] / 254 + 1e-5


def test_attention_over_text_sees_the_past_and_itself_alone() -> None:
    heads, d, positions = 2, 8, 6
    width = heads * d
    keys = RNG.standard_normal((3, heads, positions, d)).astype(np.float32)
    values = RNG.standard_normal((3, heads, positions, d)).astype(np.float32)
    keys[:, :, 4:], values[:, :, 4:] = 1e6, np.nan  # what is behind a row's place is never looked at
    y, bias = RNG.standard_normal((3, 3 * width)).astype(np.float32), RNG.standard_normal(3 * width).astype(np.float32)
    before, places = np.array([1, 0.5, 2], np.float32), np.array([0, 3, 2])
    most, given = before.copy(), np.empty((3, width), np.uint8)
    loops.attended_text(y, most, bias, keys, values, places, given)
    for n, place in enumerate(places):
        query, key, value = (y[n] * before[n] + bias).reshape(3, heads, d)
        assert np.allclose(keys[n, :, place], key, atol=1e-5)
        assert np.allclose(values[n, :, place], value, atol=1e-5)
        exact = np.concatenate([attention(query[h], keys[n, h, : place + 1], values[n, h, : place + 1]) for h in range(heads)])
        assert np.abs(from_bytes(given, most)[n] - exact).max() <= most[n] / 254 + 1e-5


def test_bits_do_not_depend_on_where_memory_lies() -> None:
    width = 32
    x, y = (RNG.standard_normal((5, width)).astype(np.float32) for _ in range(2))
    weight, bias, more = (RNG.standard_normal(width).astype(np.float32) for _ in range(3))

    def figures(weight: np.ndarray) -> tuple[bytes, bytes, bytes]:
        stream, most, given = x.copy(), np.ones(5, np.float32), np.empty((5, width), np.uint8)
        loops.added(stream, y, most, more, weight, bias, given)
        return stream.tobytes(), most.tobytes(), given.tobytes()

    wanted, around = figures(weight), []
    for size in [
        *range(width, 65, 2),
        *range(width + 512, width + 545, 4),
    ]:  # memory that is given back goes to the next of its size
        for _ in range(10):
            lying = [np.empty(size, np.float32) for _ in range(40)]
            del lying[:: int(RNG.integers(2, 5))]
            begin = loops._room(width).ctypes.data
            near = min(lying, key=lambda one: abs(begin - one.ctypes.data))
            around.append(begin - (near[-width:].ctypes.data))
            near[-width:] = weight
            assert figures(near[-width:]) == wanted
    assert min(map(abs, around)) >= 256


def test_nothing_lies_within_256_bytes_of_memory_to_work_in() -> None:
    """Whatever else is given out, and wherever: what is around it is its own."""
    for count in (1, 32, 1500):
        room = loops._room.py_func(count)
        own = room.base
        assert (room.shape, room.dtype, own.dtype) == ((count,), np.float32, np.float32)
        begin, end = (of.ctypes.data - own.ctypes.data for of in (room, room[count:]))
        assert begin >= 256
        assert own.nbytes - end >= 256
        compiled = loops._room(count)
        assert compiled.ctypes.data - compiled.base.data >= begin


_LOOKED = """
import hashlib, numpy as np
from qc.transcribe.engines import loops
made = np.random.default_rng(3)
keys, values = (made.integers(-127, 128, shape).astype(np.int8) for shape in ((2, 2, 64, 1500), (2, 2, 1500, 64)))
scales, query = made.random((2, 2, 64)).astype(np.float32) * 0.02, made.standard_normal((9, 2, 64)).astype(np.float32)
out = np.empty_like(query)
loops.looked(query, np.arange(9) % 2, np.full(2, 1500), keys, scales, values, scales, out)
print(hashlib.sha256(out.tobytes()).hexdigest())
"""


def test_bits_do_not_depend_on_whether_machine_code_was_kept(tmp_path: Path) -> None:
    there = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)}
    found = [subprocess.run([sys.executable, "-c", _LOOKED], env=there, capture_output=True, check=True) for _ in range(2)]
    assert any(tmp_path.rglob("*.nbc"))
    assert found[0].stdout == found[1].stdout


def test_norms_sums_and_the_activation() -> None:
    import torch
    from torch.nn import functional

    x, y = (RNG.standard_normal((5, 48)).astype(np.float32) for _ in range(2))
    weight, bias, more = (RNG.standard_normal(48).astype(np.float32) for _ in range(3))
    before = np.array([1, 2, 0.1, 3, 0], np.float32)
    most, given, stream = before.copy(), np.empty((5, 48), np.uint8), x.copy()
    loops.added(stream, y, most, more, weight, bias, given)
    assert np.allclose(stream, x + y * before[:, None] + more, atol=1e-6)
    exact = functional.layer_norm(torch.tensor(stream), (48,), torch.tensor(weight), torch.tensor(bias), 1e-5).numpy()
    assert np.abs(from_bytes(given, most) - exact).max() <= most.max() / 254 + 1e-5
    again, others = np.empty_like(given), np.empty(5, np.float32)
    loops.normed(stream, weight, bias, again, others)
    assert np.array_equal(again, given)
    assert np.array_equal(others, most)

    y = np.linspace(-9, 9, 2000, dtype=np.float32).reshape(4, 500)
    most, given = np.ones(4, np.float32), np.empty((4, 500), np.uint8)
    loops.curved(y, most, np.zeros(500, np.float32), given)
    exact = functional.gelu(torch.tensor(y).double()).numpy()
    assert np.allclose(most, np.abs(exact).max(axis=1), atol=1e-6)
    assert (np.abs(from_bytes(given, most) - exact).max(axis=1) <= most / 254 + 1e-6).all()


@pytest.mark.parametrize("silent", [0, 1, 40_000])
def test_the_likeliest_token_and_its_probability(silent: int) -> None:
    logits = (RNG.standard_normal((6, 2500)) * 4).astype(np.float32)
    logits[1] -= 30  # all below the silent ones
    logits[2, [100, 2000]] = 50  # equals: the first
    logits[3, 7] = 90
    most = np.array([1, 1, 0.5, 1, 2, 1], np.float32)
    forced = np.array([False, False, False, True, True, False])
    exact = logits.astype(float) * most[:, None]
    exact[forced, 7] = -np.inf
    whole = np.concatenate([exact, np.zeros((6, silent))], axis=1)
    top = whole.max(axis=1)
    wanted = np.minimum(whole.argmax(axis=1), 2500)
    gain = (
        exact[np.arange(6), np.minimum(wanted, 2499)] * (wanted < 2500) - top - np.log(np.exp(whole - top[:, None]).sum(axis=1))
    )
    columns, gains = np.empty(6, np.int64), np.empty(6, np.float32)
    loops.chosen(logits, most, 7, forced, silent, columns, gains)
    assert columns.tolist() == wanted.tolist()
    assert np.allclose(gains, gain, atol=1e-4)


def test_sound_is_kept_within_half_a_step_of_each_channel() -> None:
    heads, d, ctx = 3, 10, 130
    y = (RNG.standard_normal((ctx, 2 * heads * d)) * RNG.random(2 * heads * d) * 5).astype(np.float32)
    y[:, 3] = 0
    keys, values = np.empty((heads, d, ctx), np.int8), np.empty((heads, ctx, d), np.int8)
    scales = [np.empty((heads, d), np.float32) for _ in range(2)]
    loops.kept(y, keys, scales[0], values, scales[1])
    exact = y.reshape(ctx, 2, heads, d)
    assert (np.abs(keys * scales[0][:, :, None] - exact[:, 0].transpose(1, 2, 0)) <= scales[0][:, :, None] * 0.501).all()
    assert (np.abs(values * scales[1][:, None] - exact[:, 1].transpose(1, 0, 2)) <= scales[1][:, None] * 0.501).all()


@needs_vnni
@pytest.mark.parametrize("dims", [DIMS, ENGLISH])
def test_steps_are_near_those_in_float32_and_the_same_however_rows_are_shared(dims: dict[str, int]) -> None:
    import torch

    made = torch.Generator().manual_seed(5)
    cpu = torch.device("cpu")
    exact, eight = Network(dims, weights(dims), cpu, torch.float32), Network(dims, weights(dims), cpu, torch.bfloat16, True)
    mel = torch.randn(5, dims["n_mels"], 2 * dims["n_audio_ctx"], generator=made)
    start, tokens = torch.randint(0, 50_000, (5, 3), generator=made), torch.randint(0, 50_000, (4, 5), generator=made)

    def states(network: Network, parts: int) -> torch.Tensor:
        with torch.inference_mode():
            caches, rows = Caches(network, 5, 16), torch.arange(5)
            network.parts = parts
            network.remember(sounds[network], caches, rows)
            found = [network.prefill(start, caches, rows)[:, -1]]
            found += [network.step(some, torch.full((5,), 3 + n), caches, 16).clone() for n, some in enumerate(tokens)]
            return torch.stack(found)

    with torch.inference_mode():
        sounds = {network: network.remembered(network.encode(mel)) for network in (exact, eight)}
    wanted, found = states(exact, 1), states(eight, 1)
    assert (found - wanted).norm() < 0.1 * wanted.norm()
    for parts in (2, 3, 9):
        assert torch.equal(states(eight, parts), found)


@needs_vnni
def test_a_table_in_8_bits_chooses_as_its_logits_say(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.setattr(network_module, "_EXACT_BYTES", 0)
    made = torch.Generator().manual_seed(6)
    network = Network(DIMS, weights(), torch.device("cpu"), torch.bfloat16, True)
    choices: Choices = network.choices((1, 2, 3), kept=(50_257,))
    assert choices.eight is not None
    with torch.inference_mode():
        states, forced = torch.randn(7, DIMS["n_text_state"], generator=made), torch.tensor([True, False] * 3 + [True])
        logits = network.weighed(states, choices, forced)
        total = logits.logsumexp(dim=1)
        for parts in (1, 3):
            network.parts = parts
            column, gain = network.chosen(states, choices, forced)
            assert torch.equal(column, logits.argmax(dim=1))
            assert torch.allclose(gain, logits.amax(dim=1) - total, atol=1e-4)
