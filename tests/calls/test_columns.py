"""Cells of call lists, as the systems that export them write them."""

from __future__ import annotations

import pytest

from qc.calls import columns
from qc.tables import CALLS


@pytest.mark.parametrize(
    ("cell", "header", "ms"),
    [("185", "时长", 185_000), ("3:05", "时长", 185_000), ("0:03:05", "x", 185_000), ("185000", "duration_ms", 185_000),
     ("12.5", "duration_s", 12_500), ("90秒", "时长", 90_000), ("1500", "时长毫秒", 1500), ("１２", "时长", 12_000)],
)  # fmt: skip
def test_durations(cell: str, header: str, ms: int) -> None:
    assert columns.duration_ms(cell, header) == ms


@pytest.mark.parametrize("cell", ["", "abc", "-5", "1e9", "nan", "inf", "1:2:3:4", "99999999999", "5 min 3"])
def test_what_is_no_duration(cell: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        columns.duration_ms(cell, "duration")


@pytest.mark.parametrize(
    ("cell", "iso"),
    [("2024-05-01 09:30:00", "2024-05-01T09:30:00"), ("2024/5/1 9:30", "2024-05-01T09:30:00"), ("20240501093000", "2024-05-01T09:30:00"),
     ("2024-05-01T09:30:00+08:00", "2024-05-01T09:30:00+08:00"), ("2024-05-01T09:30:00Z", "2024-05-01T09:30:00+00:00"),
     ("1714555800", "2024-05-01T09:30:00+00:00"), ("1714555800000", "2024-05-01T09:30:00+00:00"), ("2024年5月1日 09:30", "2024-05-01T09:30:00")],
)  # fmt: skip
def test_points_in_time(cell: str, iso: str) -> None:
    assert columns.started_at(cell) == iso


def test_people_channels_and_ratings() -> None:
    assert [columns.hangup(c) for c in ("客户", "坐席挂机", "Agent", "系统")] == ["customer", "agent", "agent", "system"]
    assert [columns.agent_channel(c) for c in ("左", "RIGHT", "1", "右声道", "0")] == [0, 1, 1, 1, 0]
    assert [columns.satisfaction(c) for c in ("5", "满意", "3分", "4.0", "非常不满意")] == [5, 4, 3, 4, 1]
    for reader, cell in ((columns.hangup, "谁"), (columns.agent_channel, "middle"), (columns.satisfaction, "6")):
        with pytest.raises(ValueError, match=r"."):
            reader(cell)


def test_every_field_with_names_is_a_column_of_calls_and_no_name_is_twice() -> None:
    fields = {f.name for f in CALLS.fields}
    assert set(columns.NAMES) <= fields
    seen: dict[str, str] = {}
    for field, names in columns.NAMES.items():
        for name in {columns.plain(n) for n in names}:
            assert seen.setdefault(name, field) == field, name
