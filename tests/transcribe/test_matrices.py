"""Matrices in 8 bits: near the exact product, the same whatever the batch; the thread that drives a device."""

from __future__ import annotations

import gc
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from qc.transcribe.engines import CallKey, EngineRequest, Window, open_engine
from qc.transcribe.engines import whisper as whisper_engine
from qc.transcribe.engines.matrices import EightOfRow, EightOfWindow, _rounded, eight_bits_fast
from qc.transcribe.engines.whisper import WhisperEngine
from tests.transcribe.models import tiny_checkpoint

CALL = CallKey("call", "call.wav", "00")
needs_vnni = pytest.mark.skipif(not eight_bits_fast(), reason="this processor does not multiply 8-bit integers in hardware")


@needs_vnni
@pytest.mark.parametrize("kind", [EightOfRow, EightOfWindow])
def test_products_in_8_bits_are_near_the_exact_ones(kind: type) -> None:
    import torch

    made = torch.Generator().manual_seed(1)
    weight, bias, x = (torch.randn(*size, generator=made) for size in ((96, 64), (96,), (5, 7, 64)))
    exact = torch.nn.functional.linear(x, weight, bias)
    found = kind(weight, bias, torch.float32, rows=8)(x)
    assert found.shape == exact.shape
    assert (found - exact).norm() < 0.02 * exact.norm()
    gelu = kind(weight, bias, torch.float32, True, rows=8)(x)
    assert torch.allclose(gelu, torch.nn.functional.gelu(found), atol=1e-3)


@needs_vnni
def test_a_position_never_depends_on_those_beside_it() -> None:
    import torch

    made = torch.Generator().manual_seed(2)
    weight, x = torch.randn(40, 64, generator=made), torch.randn(9, 64, generator=made)
    x[3] *= 1000
    x[4] = 0
    product = EightOfRow(weight, torch.zeros(40), torch.float32, rows=8)
    together = product(x)
    for n in range(len(x)):
        assert torch.equal(product(x[n : n + 1])[0], together[n])


def test_rounding_is_the_same_with_and_without_the_librarys_function(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    x = torch.randn(50, 33, generator=torch.Generator().manual_seed(3)) * 3
    fast = _rounded(x, 1 / 64, 128).clone()
    monkeypatch.delattr(torch, "quantize_per_tensor")
    assert torch.equal(_rounded(x, 1 / 64, 128), fast)


def speech(count: int) -> list[Window]:
    rng = np.random.default_rng(4)
    return [Window(rng.standard_normal(3000 + 900 * n).astype(np.float32) / 9, n % 2, 0, 300, 0) for n in range(count)]


@pytest.mark.parametrize("dtype", ["bfloat16", pytest.param("int8", marks=needs_vnni)])
def test_encoding_ahead_changes_no_word(dtype: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = str(tiny_checkpoint(tmp_path))
    found = []
    for cores in (1, 2):
        monkeypatch.setattr(whisper_engine, "cores", lambda cores=cores: cores)
        made = open_engine("whisper", EngineRequest(path, "zh", "cpu", batch=3, dtype=dtype, pack="off"))
        assert isinstance(made, WhisperEngine)
        jobs = [made._job([w]) for w in speech(8)]
        made._decode(CALL, jobs)
        assert (made.decoder._ahead is not None) == (cores > 1)
        found.append([(j.tokens, j.starts) for j in jobs])
    assert found[0] == found[1]


def test_an_engine_that_nobody_holds_ends_its_thread(tmp_path: Path) -> None:
    before = {t for t in threading.enumerate() if t.name == "qc-device"}
    made = open_engine("whisper", EngineRequest(str(tiny_checkpoint(tmp_path)), "zh", "cpu", batch=1))
    mine = [t for t in threading.enumerate() if t.name == "qc-device" and t not in before]
    assert len(mine) == 1
    made.hear(CALL, speech(2))
    del made
    gc.collect()
    mine[0].join(30)
    assert not mine[0].is_alive()


def test_a_fault_of_the_device_reaches_every_thread_that_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = open_engine("whisper", EngineRequest(str(tiny_checkpoint(tmp_path)), "zh", "cpu", batch=1, dtype="float32"))
    assert isinstance(made, WhisperEngine)
    caught: list[str] = []
    began = threading.Event()

    def broken(*_: object) -> None:
        began.set()
        time.sleep(0.2)  # so that the others wait by now
        raise RuntimeError("the device is lost")

    def ask() -> None:
        try:
            made.hear(CALL, speech(2))
        except RuntimeError as error:
            caught.append(str(error))

    monkeypatch.setattr(made.network, "encode", broken)
    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    assert began.wait(30)
    for thread in threads:
        thread.join(30)
    assert caught == ["the device is lost"] * 3


@needs_vnni
def test_short_windows_are_heard_in_a_shorter_context_beside_long_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = str(tiny_checkpoint(tmp_path))
    read = whisper_engine.read_weights
    heard: list[int] = []

    def jobs(windows: list[Window], batch: int) -> list[tuple[list[int], list[int] | None]]:
        made = open_engine("whisper", EngineRequest(path, "zh", "cpu", batch=batch, dtype="int8", pack="off"))
        assert isinstance(made, WhisperEngine)
        encode = made.network.encode
        monkeypatch.setattr(made.network, "encode", lambda mel: heard.append(mel.shape[2]) or encode(mel))
        found = [made._job([w]) for w in windows]
        made._decode(CALL, found)
        return [(j.tokens, j.starts) for j in found]

    rng = np.random.default_rng(8)
    sizes = [16_000, 70_000, 32_000, 33_000, 500, 100_000, 16_000]
    windows = [Window((rng.standard_normal(n) / 9).astype(np.float32), n, 0, n // 16, 0) for n in sizes]
    whole = jobs(windows, 3)
    assert heard == [1000] * 7
    monkeypatch.setattr(whisper_engine, "read_weights", lambda one: replace(read(one), short=(200, 100)))
    heard.clear()
    shorter = jobs(windows, 3)
    assert sorted(heard) == [400] * 4 + [500, 700, 900]
    for n in range(7):
        assert jobs([windows[n]], 1) == [shorter[n]]  # whatever is beside it
    assert shorter != whole


@pytest.mark.parametrize("dtype", ["bfloat16", pytest.param("int8", marks=needs_vnni)])
def test_words_drawn_in_one_row_change_no_bit_of_the_others(dtype: str, tmp_path: Path) -> None:
    made = open_engine("whisper", EngineRequest(str(tiny_checkpoint(tmp_path)), "zh", "cpu", batch=4, dtype=dtype, pack="off"))
    assert isinstance(made, WhisperEngine)

    def sure(heat: float) -> list[tuple[list[int], list[float]]]:
        jobs = [made._job([replace(w, temperature=heat * (n % 2))]) for n, w in enumerate(speech(6))]
        made._decode(CALL, jobs)
        return [(j.tokens, j.logprobs) for j in jobs]

    cold, beside, again = sure(0.0), sure(0.8), sure(0.8)
    assert cold[::2] == beside[::2]
    assert beside == again
    assert [words for words, _ in cold[1::2]] != [words for words, _ in beside[1::2]]
