"""The encoder's soft-max as machine code gives the shares that float64 gives, to what bfloat16 can hold."""

from __future__ import annotations

import pytest


@pytest.mark.parametrize(("rows", "count", "spread"), [(7, 1500, 3.0), (3, 1, 1.0), (5, 37, 40.0), (2, 600, 0.0)])
def test_shares_are_those_of_the_soft_max(rows: int, count: int, spread: float) -> None:
    import torch

    from qc.transcribe.engines.softmax import exponentials

    made = torch.Generator().manual_seed(rows)
    scores = (torch.randn(rows, count, generator=made) * spread - 20).bfloat16()
    exact = scores.double().softmax(dim=1)
    weights = scores.clone()
    sums = exponentials(weights)
    assert weights.float().amax(dim=1).sub(1).abs().max() < 1e-3
    assert torch.allclose(weights.double() / sums.double()[:, None], exact, rtol=0.005, atol=1e-30)
    assert torch.allclose(weights.double().sum(dim=1), sums.double(), rtol=0.002)
    again = scores.clone()
    assert torch.equal(exponentials(again), sums)
    assert torch.equal(again, weights)


def test_the_largest_score_is_found_among_all_signs() -> None:
    import torch

    from qc.transcribe.engines.softmax import exponentials

    scores = torch.tensor(
        [[-3.0, -1.5, -1.0, -200.0], [0.0, -0.0, -1.0, -2.0], [88.0, 3e4, -3e4, 2.0], [-3e38, 1.0, 1.0, -1e-40]]
    ).bfloat16()
    exact = scores.double().softmax(dim=1)
    sums = exponentials(scores)
    assert torch.allclose(scores.double() / sums.double()[:, None], exact, rtol=0.005, atol=1e-30)
