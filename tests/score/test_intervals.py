"""Intervals against published tables and against each other."""

from __future__ import annotations

import math

import numpy as np
import pytest

from qc.score.intervals import PRIOR_DF, half_width, t_quantile, t_two_sided, wilson


@pytest.mark.parametrize(
    ("df", "table"),
    [
        (1, 12.706),
        (2, 4.303),
        (3, 3.182),
        (4, 2.776),
        (9, 2.262),
        (10, 2.228),
        (29, 2.045),
        (30, 2.042),
        (120, 1.980),
        (1_000, 1.962),
    ],
)
def test_t_quantile_is_the_published_one(df: int, table: float) -> None:
    assert t_quantile(df) == pytest.approx(table, abs=6e-4)


def test_t_quantile_undoes_the_distribution_function() -> None:
    for df in (1, 2, 3, 4, 7, 8, 50, 51, 200):
        assert t_two_sided(t_quantile(df), df) == pytest.approx(0.95, abs=1e-12)
    assert t_quantile(200) > t_quantile(201) > t_quantile(10**7) == pytest.approx(1.959964, abs=1e-6)
    assert t_quantile(200) - t_quantile(201) == pytest.approx(t_quantile(201) - t_quantile(202), rel=0.02)


def test_t_distribution_has_its_closed_forms() -> None:
    for t in (0.1, 1.0, 3.0):
        assert t_two_sided(t, 1) == pytest.approx(2 / math.pi * math.atan(t))
        assert t_two_sided(t, 2) == pytest.approx(t / math.sqrt(2 + t * t))


@pytest.mark.parametrize(("df", "confidence"), [(0, 0.95), (-3, 0.95), (5, 0.0), (5, 1.0)])
def test_no_quantile_without_freedom(df: int, confidence: float) -> None:
    with pytest.raises(ValueError, match="no such quantile"):
        t_quantile(df, confidence)


def test_wilson_is_the_published_one() -> None:
    # Newcombe 1998, «Two-sided confidence intervals for the single proportion», table I, method 3.
    low, high = wilson([81, 15, 0, 1], [263, 148, 20, 29])
    assert low == pytest.approx([0.2553, 0.0624, 0.0, 0.0061], abs=6e-5)
    assert high == pytest.approx([0.3662, 0.1605, 0.1611, 0.1718], abs=6e-5)


def test_wilson_stays_in_bounds_and_is_nan_without_calls() -> None:
    low, high = wilson([0, 10, 0], [10, 10, 0])
    assert (low[0], high[1]) == (0.0, 1.0)
    assert high[0] == pytest.approx(1 - low[1])
    assert np.isnan([low[2], high[2]]).all()


def test_half_width_is_the_textbooks() -> None:
    values = np.array([90.0, 95.0, 100.0, 85.0, 100.0])
    expected = t_quantile(4) * values.std(ddof=1) / math.sqrt(5)
    got = half_width([5, 1, 3, 0], [values.sum(), 7.0, 300.0, 0.0], [(values**2).sum(), 49.0, 30_000.0, 0.0])
    assert got[0] == pytest.approx(expected)
    assert np.isnan(got[[1, 3]]).all()
    assert got[2] == 0.0


def test_a_variance_is_moderated_by_the_others_by_hand() -> None:
    """Squares within groups 20 and 200 of 4 and 50 degrees of freedom: the others weigh 40 for the first, 4 for the second."""
    n, squares = np.array([5.0, 51.0]), np.array([20.0, 200.0])
    got = half_width(n, 90 * n, squares + n * 90.0**2, PRIOR_DF)
    assert got[0] == pytest.approx(t_quantile(44) * math.sqrt((40 * 200 / 50 + 20) / 44 / 5))
    assert got[1] == pytest.approx(t_quantile(54) * math.sqrt((4 * 20 / 4 + 200) / 54 / 51))
    alone = half_width([5], [450.0], [20 + 5 * 90.0**2], PRIOR_DF)
    assert alone[0] == pytest.approx(t_quantile(4) * math.sqrt(20 / 4 / 5))
    spotless = half_width([5, 51], [500.0, 90 * 51], [50_000.0, 200 + 51 * 90.0**2], PRIOR_DF)
    assert spotless[0] > 0  # five spotless calls do not prove that there is never another
