"""What rules are worth: which go with low ratings, which never fire, which always fire together, from stored findings.

Lift is the share of low ratings among the calls that a rule hits ÷ the share among those that it misses (the relative risk),
with its 95 % interval on the log scale (Katz, Baptista, Azen & Pike 1978, Biometrics 34; half a call is added to each cell
where one is empty). `q` is the two-sided p of Fisher's exact test after Benjamini & Hochberg (1995): of the rules
at or below 0.05, about one in twenty is there by chance. Calls that a rule could not decide or does not apply to are left out.
It says what goes together, not what causes what.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

from qc.errors import UsageError
from qc.packs import Pack, read_stored
from qc.store import Store

if TYPE_CHECKING:
    import polars as pl

RATING_NAMES = ("satisfaction", "csat", "满意度")
LOW_RATING = 2.0
MIN_TOGETHER = 5
TOGETHER = 0.95
"""Of the calls that either of two rules hits, the share that both hit, from which on they count as firing together."""

MAX_Q = 0.05
_Z = NormalDist().inv_cdf(0.975)


@dataclass(frozen=True)
class RuleValue:
    """One rule and the ratings. Counts are of rated calls: hit or missed, rated low or not. `lift` None without hits or misses."""

    rule: str
    title: Mapping[str, str]
    hit_low: int
    hit_other: int
    miss_low: int
    miss_other: int
    lift: float | None
    low: float | None
    high: float | None
    q: float


@dataclass(frozen=True)
class Silent:
    """A rule that never fired. `upper`: what its true rate may still be, hits per 100 calls (95 %, Clopper–Pearson)."""

    rule: str
    title: Mapping[str, str]
    calls: int
    upper: float | None


@dataclass(frozen=True)
class Together:
    """Two rules that fire on the same calls: hits of each and of both. `share`: both ÷ either."""

    first: str
    second: str
    first_hits: int
    second_hits: int
    both: int
    share: float


@dataclass(frozen=True)
class Value:
    """The whole. `by`: the column; `low`: a rating at or below it is low; `rated`: calls with findings and a rating."""

    pack: str
    by: str
    low: float
    calls: int
    rated: int
    rated_low: int
    rules: tuple[RuleValue, ...]
    never: tuple[Silent, ...]
    together: tuple[Together, ...]

    def as_dict(self) -> dict[str, Any]:
        """The value as data."""
        return asdict(self)


def value(store: Store, by: str, low: float | None = None, pack_id: str = "") -> Value:
    """What the rules of a scanned pack are worth, by a column of the call list. Raises UsageError.

    `low` may be left out for the customer's satisfaction (2 of 5).
    """
    import polars as pl

    rows = _table(store, "findings", ("call_id", "pack_id", "pack_sha256", "status", "verdicts"))
    packs = sorted(rows["pack_id"].unique().to_list())
    if not packs:
        raise UsageError("nothing was scanned yet", where=str(store.path), hint="run qc scan --rules PACK first")
    if pack_id not in packs and (pack_id or len(packs) > 1):
        raise UsageError("which pack?", where="--pack", hint="use one of: " + ", ".join(packs))
    mine = rows.filter((pl.col("pack_id") == (pack_id or packs[0])) & (pl.col("status") == "ok"))
    pack = read_stored(store, str(mine["pack_sha256"][0]))
    mine = mine.filter(pl.col("pack_sha256") == pack.sha256)
    ratings = _ratings(store, by)
    if low is None and by not in RATING_NAMES:
        raise UsageError(f"which values of {by!r} are low?", where="--low", hint="for example --low 3: 3 and less")
    bound = LOW_RATING if low is None else low
    rated = mine.select("call_id").join(ratings, on="call_id", how="inner").with_columns((pl.col("rating") <= bound).alias("low"))
    if rated.height == 0:
        raise UsageError(
            f"no scanned call has a number in {by!r}", where="--by", hint="qc store info shows the call list's columns"
        )
    verdicts = mine.select("call_id", "verdicts").explode("verdicts").drop_nulls("verdicts").unnest("verdicts")
    verdicts = verdicts.select("call_id", "rule", "verdict")
    return Value(
        pack=f"{pack.id} {pack.version}",
        by=by,
        low=bound,
        calls=mine.height,
        rated=rated.height,
        rated_low=int(rated["low"].sum()),
        rules=_lifts(pack, verdicts, rated),
        never=_never(pack, verdicts, mine.height),
        together=_together(verdicts.filter(pl.col("verdict") == "hit")),
    )


def _table(store: Store, name: str, columns: Sequence[str]) -> pl.DataFrame:
    import polars as pl

    found = pl.from_arrow(store.read(name, list(columns)))
    assert isinstance(found, pl.DataFrame)
    return found


def _ratings(store: Store, by: str) -> pl.DataFrame:
    """call_id and rating of the calls whose cell holds a number."""
    import polars as pl

    calls = _table(store, "calls", ("call_id", "satisfaction", "meta"))
    own = calls.select("call_id", pl.col("satisfaction").cast(pl.Float64).alias("rating")).drop_nulls()
    if by in RATING_NAMES and own.height:
        return own
    cells = calls.select("call_id", "meta").explode("meta").drop_nulls("meta").unnest("meta").filter(pl.col("name") == by)
    return cells.select("call_id", pl.col("value").str.strip_chars().cast(pl.Float64, strict=False).alias("rating")).filter(
        pl.col("rating").is_finite()
    )


def _lifts(pack: Pack, verdicts: pl.DataFrame, rated: pl.DataFrame) -> tuple[RuleValue, ...]:
    import polars as pl

    low_all = int(rated["low"].sum())
    counted = verdicts.join(rated, on="call_id", how="inner").group_by("rule", "verdict", "low").len()
    counts: dict[tuple[str, str, bool], int] = {(rule, verdict, low): n for rule, verdict, low, n in counted.iter_rows()}
    assert isinstance(counted, pl.DataFrame)
    made = []
    for rule in pack.rules:
        hit_low, hit_other = (counts.get((rule.id, "hit", low), 0) for low in (True, False))
        out = [sum(counts.get((rule.id, v, low), 0) for v in ("undecided", "not_applicable")) for low in (True, False)]
        miss_low = low_all - hit_low - out[0]
        miss_other = rated.height - low_all - hit_other - out[1]
        made.append((rule, hit_low, hit_other, miss_low, miss_other, fisher(hit_low, hit_other, miss_low, miss_other)))
    qs = adjusted([p for *_, p in made])
    found = [
        RuleValue(rule.id, rule.title, a, b, c, d, *relative_risk(a, b, c, d), q)
        for (rule, a, b, c, d, _), q in zip(made, qs, strict=True)
        if a + b
    ]
    return tuple(sorted(found, key=lambda r: (r.q > MAX_Q, -(r.lift or 0.0), r.rule)))


def relative_risk(a: int, b: int, c: int, d: int) -> tuple[float | None, float | None, float | None]:
    """(a ÷ (a+b)) ÷ (c ÷ (c+d)) and its 95 % interval; Nones where a row is empty."""
    if not a + b or not c + d:
        return None, None, None
    half = 0.5 if 0 in (a, b, c, d) else 0.0
    x, y, z, w = a + half, b + half, c + half, d + half
    ratio = (x / (x + y)) / (z / (z + w))
    error = math.sqrt(1 / x - 1 / (x + y) + 1 / z - 1 / (z + w))
    return ratio, ratio * math.exp(-_Z * error), ratio * math.exp(_Z * error)


def fisher(a: int, b: int, c: int, d: int) -> float:
    """The two-sided p of Fisher's exact test: all tables with these margins that are no likelier than this one."""
    import numpy as np

    hits, low, total = a + b, a + c, a + b + c + d
    if min(hits, low, total - hits, total - low) == 0:
        return 1.0
    first, last = max(0, hits + low - total), min(hits, low)
    x = np.arange(first, last + 1)
    logs = np.array([math.lgamma(n + 1) for n in range(total + 1)]) if total <= 10_000 else None

    def log_factorial(n: Any) -> Any:
        return logs[n] if logs is not None else np.array([math.lgamma(v + 1) for v in n])

    log_p = -(log_factorial(x) + log_factorial(hits - x) + log_factorial(low - x) + log_factorial(total - hits - low + x))
    p = np.exp(log_p - log_p.max())
    p /= p.sum()
    return float(min(1.0, p[p <= p[a - first] * (1 + 1e-7)].sum()))


def adjusted(ps: Sequence[float]) -> list[float]:
    """Benjamini & Hochberg's adjusted p values, in the order given."""
    order = sorted(range(len(ps)), key=lambda i: ps[i])
    made = [1.0] * len(ps)
    least = 1.0
    for rank in range(len(ps), 0, -1):
        at = order[rank - 1]
        least = min(least, ps[at] * len(ps) / rank)
        made[at] = least
    return made


def _never(pack: Pack, verdicts: pl.DataFrame, calls: int) -> tuple[Silent, ...]:
    import polars as pl

    fired = set(verdicts.filter(pl.col("verdict") == "hit")["rule"].to_list())
    others = verdicts.filter(pl.col("verdict") != "hit").group_by("rule").len()
    undecided: dict[str, int] = dict(others.iter_rows())
    found = []
    for rule in pack.rules:
        if rule.id not in fired:
            decided = calls - undecided.get(rule.id, 0)
            found.append(Silent(rule.id, rule.title, decided, 100 * (1 - 0.05 ** (1 / decided)) if decided else None))
    return tuple(found)


def _together(hits: pl.DataFrame) -> tuple[Together, ...]:
    import polars as pl

    counts: dict[str, int] = dict(hits.group_by("rule").len().iter_rows())
    pairs = (
        hits.select("call_id", pl.col("rule").alias("first"))
        .join(hits.select("call_id", pl.col("rule").alias("second")), on="call_id")
        .filter(pl.col("first") < pl.col("second"))
        .group_by("first", "second")
        .len()
        .filter(pl.col("len") >= MIN_TOGETHER)
    )
    found = []
    for first, second, both in pairs.iter_rows():
        share = both / (counts[first] + counts[second] - both)
        if share >= TOGETHER:
            found.append(Together(first, second, counts[first], counts[second], both, share))
    return tuple(sorted(found, key=lambda t: (-t.share, -t.both, t.first, t.second)))
