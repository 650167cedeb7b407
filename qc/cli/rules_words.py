"""`qc rules suggest, value`: what stored calls say about rules: words they lack, rules that are worth something or nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from qc.cli import console, options
from qc.errors import UsageError

_Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
_Store = Annotated[Path, typer.Option("--store", help="The store's folder.")]


def suggest(
    store: _Store = Path("qc-store"),
    labels: Annotated[
        Path | None, typer.Option("--labels", help="CSV or XLSX with the columns call_id and label (bad or good).")
    ] = None,
    rules: Annotated[
        Path | None, typer.Option("--rules", "-r", help="Pack whose words are known, and whose variants are looked for.")
    ] = None,
    role: Annotated[str, typer.Option("--role", help="Whose words: agent, customer or anyone.")] = "agent",
    top: Annotated[int, typer.Option("--top", min=1, help="Show at most so many of each.")] = 30,
    redact: Annotated[bool, typer.Option("--redact", help="Mask personal data in the examples.")] = False,
    as_json: _Json = False,
) -> None:
    """Suggest words for rules: phrases that separate labelled bad calls from good ones, and variants of listed words.

    Phrases come with counts, log-odds and a 95 % interval; variants sound the same as a listed word or are one character
    apart, occur in the transcripts, and no rule knows them. Both come with an example and are printed ready to paste. They are
    candidates: read the examples. At most 5,000 calls are looked at.

    Example:  qc rules suggest --store qc-store --labels labels.csv --rules rules/ecommerce-zh
    """
    from qc.changes.suggest import SuggestOptions, read_labels
    from qc.changes.suggest import suggest as find
    from qc.packs.trust import look

    if labels is None and rules is None:
        raise UsageError("nothing to go by", where="--labels", hint="give --labels for phrases, --rules for variants, or both")
    if role not in ("agent", "customer", "anyone"):
        raise UsageError(f"there is no role {role!r}", where="--role", hint="agent, customer or anyone")
    known = read_labels(labels) if labels else None
    opened = options.existing_store(store)
    found = find(opened, known, look(rules) if rules else None, SuggestOptions(role, top, redact))
    if console.result(found.as_dict() | {"yaml": found.paste()}, as_json):
        return
    if known is not None:
        rows = [
            (s.phrase, s.bad, s.good, f"{s.log_odds:.2f}", f"{s.low:.2f} – {s.high:.2f}", s.example) for s in found.separating
        ]
        title = f"Phrases of {found.bad} bad calls against {found.good} good ones"
        console.table(title, ["phrase", "bad", "good", "log-odds", "95 % interval", "example"], rows, right=(1, 2, 3))
    if rules is not None:
        rows2 = [(v.variant, v.word, v.how, v.calls, ", ".join(v.rules[:3]), v.example) for v in found.variants]
        title = f"Variants of listed words in {console.several(found.calls, 'call')}"
        console.table(title, ["said", "listed", "how", "calls", "rules", "example"], rows2, right=(3,))
    console.out(found.paste() or "nothing to suggest")


def value(
    store: _Store = Path("qc-store"),
    by: Annotated[
        str, typer.Option("--by", help="Rating to hold the rules against: csat, or a column of the call list.")
    ] = "csat",
    low: Annotated[float | None, typer.Option("--low", help="Ratings at or below this are low; without it 2, for csat.")] = None,
    pack: Annotated[str, typer.Option("--pack", help="Id of the pack, where the store was scanned with several.")] = "",
    as_json: _Json = False,
) -> None:
    """Say what rules are worth: which go with low ratings, which never fire, which always fire together.

    Lift is the share of low ratings among calls that the rule hits ÷ among those that it misses, with a 95 % interval; q is
    Fisher's p corrected for asking of many rules (Benjamini–Hochberg). It says what goes together, not why.

    Example:  qc rules value --store qc-store --by csat
    """
    from qc.changes.value import MAX_Q
    from qc.changes.value import value as measure

    found = measure(options.existing_store(store), by, low, pack)
    if console.result(found.as_dict(), as_json):
        return
    console.out(
        f"{found.pack}: {console.several(found.calls, 'call')}, {found.rated:,} with {found.by}, {found.rated_low:,} of them low (≤ {found.low:g})"
    )
    rows = []
    for r in found.rules:
        span = "–" if r.low is None or r.high is None else f"{r.low:.2f} – {r.high:.2f}"
        lift = "–" if r.lift is None else f"{r.lift:.2f}"
        rows.append(
            (
                r.rule,
                f"{r.hit_low}/{r.hit_low + r.hit_other}",
                f"{r.miss_low}/{r.miss_low + r.miss_other}",
                lift,
                span,
                f"{r.q:.3f}",
            )
        )
    console.table(
        "Rules and low ratings",
        ["rule", "low of hit", "low of missed", "lift", "95 % interval", "q"],
        rows,
        right=(1, 2, 3, 4, 5),
    )
    sure = [r.rule for r in found.rules if r.q <= MAX_Q and (r.low or 0) > 1]
    console.out(f"go with low ratings (q ≤ {MAX_Q:g}): {', '.join(sure) or 'none that can be told from chance'}")
    for silent in found.never:
        at_most = "" if silent.upper is None else f"; at most {silent.upper:.2g} in 100 calls (95 %)"
        console.out(f"never fires: {silent.rule}, {console.several(silent.calls, 'call')} decided{at_most}")
    for pair in found.together:
        console.out(
            f"fire together: {pair.first} and {pair.second}, both on {console.several(pair.both, 'call')} ({pair.share:.0%} of either)"
        )


VERBS: dict[str, Callable[..., None]] = {"suggest": suggest, "value": value}
"""Commands of `qc rules`, by name."""
