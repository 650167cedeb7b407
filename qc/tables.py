"""Every table's fields as data: name, type, unit, meaning, since. Schemas, docs and checks are made from here.

One row a call in each (and pack, from `findings` on), nested lists for what a call has many of. No wall-clock time
of processing is stored, so that the same input gives the same tables. Times are integer milliseconds from the start
of the recording.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

_TAKEN = 512


@dataclass(frozen=True)
class Field:
    """One column, or one member of a nested struct. `type` is a pyarrow type name, or `list`/`struct` with `fields`."""

    name: str
    type: str
    meaning: str
    unit: str = ""
    since: str = "0.1"
    fields: tuple[Field, ...] = ()


@dataclass(frozen=True)
class Table:
    """A table: its key (a later part wins for the same key) and its fields."""

    name: str
    meaning: str
    key: tuple[str, ...]
    fields: tuple[Field, ...]


def _structs(name: str, meaning: str, *fields: Field, since: str = "0.1") -> Field:
    return Field(name, "list<struct>", meaning, since=since, fields=fields)


_CALL_ID = Field("call_id", "string", "From the call list; else `sha256:` and the first 16 hex digits of the bytes' hash.")
_STATUS = Field("status", "string", "`ok` or `failed`.")
_REASON = Field(
    "reason", "string", "Short stable word for a failure (`missing_file`, `not_audio`, `truncated`, …); null when fine."
)
_MESSAGE = Field("message", "string", "The failure in one sentence: what, where, what to do.")
_PACK = (
    Field("pack_id", "string", "Id of the rule pack."),
    Field("pack_version", "string", "Semantic version of the rule pack."),
    Field("pack_sha256", "string", "Digest of the pack as it was used; its flattened text lies in the store under `packs/`."),
    Field("pack_signer", "string", "Who signed it; `local` for a folder of one's own."),
)

CALLS = Table(
    "calls",
    "The recordings and the call list, joined. One row a call, whether its file exists or not.",
    ("call_id",),
    (
        _CALL_ID,
        Field("file", "string", "Path of the recording as found, relative to the folder given, or as listed."),
        Field("path", "string", "Absolute path (or address) of the recording; null when no file was found."),
        Field(
            "sha256",
            "string",
            "SHA-256 of the file's bytes; for one on another machine `tag:` and a digest of its address, size, time and mark there.",
        ),
        Field("size_bytes", "int64", "Size of the file.", unit="bytes"),
        Field("listed", "bool", "The call list has this call."),
        Field("found", "bool", "A file was found for this call."),
        Field("duplicate_of", "string", "Another call's id whose recording has the same bytes (the first in order); null else."),
        Field("agent_id", "string", "The agent's id."),
        Field("agent_name", "string", "The agent's name."),
        Field("provider", "string", "The outsourced desk."),
        Field("queue", "string", "Queue or call type."),
        Field("started_at", "string", "When the call started, ISO 8601, as listed."),
        Field("listed_duration_ms", "int64", "Duration by the call list.", unit="ms"),
        Field("hangup", "string", "Who hung up: `agent`, `customer`, `system`, or null."),
        Field("satisfaction", "int32", "The customer's rating.", unit="1 to 5"),
        Field("agent_channel", "int32", "Which channel the agent is on, from 0; null when the list does not say."),
        _structs(
            "meta",
            "Every other column of the call list.",
            Field("name", "string", "Column name."),
            Field("value", "string", "Cell as text."),
        ),
    ),
)

TRANSCRIPTS = Table(
    "transcripts",
    "What was said, when, by whom, and what was not heard. One row a call.",
    ("call_id",),
    (
        _CALL_ID,
        _STATUS,
        _REASON,
        _MESSAGE,
        Field("warnings", "list<string>", "What was odd without being a failure (`truncated`, `mono`, `silent_channel:1`, …)."),
        Field("source", "string", "`audio`, or the format it was imported from."),
        Field("audio_sha256", "string", "SHA-256 of the recording's bytes that were transcribed."),
        Field("container", "string", "Container format."),
        Field("codec", "string", "Audio codec."),
        Field("rate_hz", "int32", "Sample rate.", unit="Hz"),
        Field("channels", "int32", "Number of channels."),
        Field("duration_ms", "int64", "Decoded duration.", unit="ms"),
        Field("language", "string", "Language asked of the recogniser."),
        Field("engine", "string", "Speech engine."),
        Field("model", "string", "Model name or file name."),
        Field("model_sha256", "string", "Digest of the model's weights."),
        Field("options", "string", "Every option that can change the text, as canonical JSON."),
        Field("tool_version", "string", "Version of qc that wrote the row."),
        _structs(
            "roles",
            "Speech and coverage per channel and role.",
            Field("channel", "int32", "Channel, from 0."),
            Field("role", "string", "`agent`, `customer`, `system` or `unknown`."),
            Field("speech_ms", "int64", "Detected speech.", unit="ms"),
            Field("heard_ms", "int64", "Detected speech that gave reliable text.", unit="ms"),
            Field("coverage", "float32", "heard ÷ speech; null where there is no speech.", unit="0 to 1"),
            Field("level_dbfs", "float32", "Root-mean-square level of the speech.", unit="dBFS"),
        ),
        _structs(
            "spans",
            "Detected speech, in order of time, and whether it was heard: what verdicts' coverage is made from.",
            Field("channel", "int32", "Channel, from 0."),
            Field("role", "string", "Role of the channel or speaker."),
            Field("start_ms", "int64", "Start.", unit="ms"),
            Field("end_ms", "int64", "End.", unit="ms"),
            Field("heard", "bool", "It gave reliable text."),
            Field("why", "string", "Why it was not heard (`no_text`, `pseudo_speech`, `loop`, `failed`, `low_confidence`, …)."),
        ),
        _structs(
            "turns",
            "Turns in order of start, then channel.",
            Field("turn", "int32", "Number of the turn in the call, from 0."),
            Field("channel", "int32", "Channel, from 0; null where there are none (chats)."),
            Field("role", "string", "`agent`, `customer`, `system` or `unknown`."),
            Field("start_ms", "int64", "Start.", unit="ms"),
            Field("end_ms", "int64", "End.", unit="ms"),
            Field("text", "string", "The words."),
            Field("avg_logprob", "float32", "Mean log-probability of the tokens; null where unknown."),
            Field("no_speech_prob", "float32", "Probability that nobody speaks; null where unknown."),
            Field(
                "char_ms",
                "list<int32>",
                "Start of each character, from the start of the recording; null where unknown.",
                unit="ms",
            ),
            Field("level_dbfs", "float32", "Root-mean-square level of the turn; null where unknown.", unit="dBFS"),
            Field(
                "flags",
                "list<string>",
                "Why the text may not be trusted (`pseudo_speech`, `loop`, `low_confidence`, …); any flag keeps the turn from scoring.",
            ),
        ),
    ),
)

FINDINGS = Table(
    "findings",
    "What the rules say of each call. One row a call and pack; a clean call is a row with no verdicts listed.",
    ("call_id", "pack_id"),
    (
        _CALL_ID,
        *_PACK,
        _STATUS,
        _REASON,
        _MESSAGE,
        Field("tool_version", "string", "Version of qc that wrote the row."),
        Field(
            "transcript_sha256",
            "string",
            "Digest of what scanning reads of the transcript: turns, detected speech, warnings, duration.",
        ),
        Field("rules", "int32", "Rules evaluated; every one that `verdicts` does not list is a miss."),
        Field("hits", "int32", "Rules that hit."),
        Field("undecided", "int32", "Rules that could not be decided."),
        _structs(
            "verdicts",
            "Verdicts other than miss, in the pack's order.",
            Field("rule", "string", "Rule id."),
            Field("verdict", "string", "`hit`, `undecided` or `not_applicable`."),
            Field("severity", "string", "Severity of the rule in the pack."),
            Field("count", "int32", "How often it hit, after merging by the rule's spacing."),
            Field(
                "coverage",
                "float32",
                "Heard speech ÷ detected speech in the rule's window; null where it does not matter.",
                unit="0 to 1",
            ),
            Field("why", "string", "For undecided and not applicable: the reason."),
            _structs(
                "evidence",
                "What it rests on, in order of time.",
                Field("turn", "int32", "Turn; null for what lies between turns (silence)."),
                Field("role", "string", "Role of the turn."),
                Field("start_ms", "int64", "Start.", unit="ms"),
                Field("end_ms", "int64", "End.", unit="ms"),
                Field("char_start", "int32", "First character in the turn's text; null where there is none."),
                Field("char_end", "int32", "One past the last character."),
                Field("quote", "string", "The words themselves."),
            ),
        ),
    ),
)

SCORES = Table(
    "scores",
    "Every call's score as an interval: undecided rules counted as hits (worst) and as misses (best).",
    ("call_id", "pack_id"),
    (
        _CALL_ID,
        *_PACK,
        _STATUS,
        _REASON,
        _MESSAGE,
        Field("tool_version", "string", "Version of qc that wrote the row."),
        Field("worst", "float64", "Score if every undecided rule counts against the call.", unit="points"),
        Field("best", "float64", "Score if every undecided rule counts for the call.", unit="points"),
        Field("fatal", "bool", "A fatal rule hit: the score is 0."),
        _structs(
            "dimensions",
            "Score per dimension.",
            Field("dimension", "string", "Dimension id."),
            Field("worst", "float64", "As above, of this dimension alone.", unit="points"),
            Field("best", "float64", "As above.", unit="points"),
        ),
        _structs(
            "items",
            "What made the score, rule by rule.",
            Field("rule", "string", "Id of the rule or manual item."),
            Field("dimension", "string", "Dimension id."),
            Field("verdict", "string", "`hit`, `undecided`, or `overruled` (manual items: `miss`) where reviewers heard none."),
            Field(
                "machine",
                "string",
                "The machine's own verdict; `miss` where reviewers heard a hit that it missed; `manual` where only people judge.",
                since="0.2",
            ),
            Field("count", "int32", "How often it counted."),
            Field("worst", "float64", "Points in the worst case (negative: a deduction).", unit="points"),
            Field("best", "float64", "Points in the best case.", unit="points"),
        ),
    ),
)

SUMMARIES = Table(
    "summaries",
    "Agents, providers and the whole, made from scores. Replaced as a whole each time.",
    ("pack_id", "kind", "id"),
    (
        *_PACK,
        Field("kind", "string", "`all`, `provider` or `agent`."),
        Field(
            "id",
            "string",
            "Provider's name, or agent's id with the provider's name before it (`provider/agent`); empty for `all`.",
        ),
        Field("name", "string", "Name to show."),
        Field("provider", "string", "Provider; null for `all`."),
        Field("calls", "int32", "Calls in all."),
        Field("scored", "int32", "Calls with a score."),
        Field("failed", "int32", "Calls without one."),
        Field("unheard", "int32", "Scored calls of which nothing was heard: they are in no mean.", since="0.2"),
        Field("undecided", "int32", "Scored calls with at least one undecided rule."),
        Field("unjudged", "int32", "Scored calls with a manual item that nobody has judged yet.", since="0.2"),
        Field("audio_ms", "int64", "Recorded time.", unit="ms"),
        Field("coverage", "float64", "Heard speech ÷ detected speech over the calls.", unit="0 to 1"),
        Field(
            "level_dbfs", "float64", "Mean level of the detected speech over the calls, by its length.", unit="dBFS", since="0.2"
        ),
        Field("mono", "int32", "Calls with both speakers on one channel.", since="0.2"),
        Field(
            "warned",
            "int32",
            "Calls whose transcript has a warning other than of one channel or no speech (`truncated`, `crosstalk`, …).",
            since="0.2",
        ),
        Field("mean_worst", "float64", "Mean of the calls' worst scores.", unit="points"),
        Field("mean_best", "float64", "Mean of the calls' best scores.", unit="points"),
        Field(
            "low",
            "float64",
            "Lower end of the 95 % interval of the mean; null below the minimum of calls, and where neither these scores nor the others' differ.",
            unit="points",
        ),
        Field("high", "float64", "Upper end.", unit="points"),
        Field("fatal", "int32", "Calls with a fatal hit."),
        _structs(
            "rules",
            "Rules that hit or could not be decided.",
            Field("rule", "string", "Rule id."),
            Field("hits", "int32", "Calls that hit."),
            Field("undecided", "int32", "Calls undecided."),
            Field("calls", "int32", "Calls on which it was decided."),
            Field("rate", "float64", "Hits per 100 decided calls.", unit="per 100 calls"),
            Field("low", "float64", "Lower end of its 95 % Wilson interval.", unit="per 100 calls"),
            Field("high", "float64", "Upper end.", unit="per 100 calls"),
        ),
        _structs(
            "dimensions",
            "Mean score per dimension.",
            Field("dimension", "string", "Dimension id."),
            Field("mean_worst", "float64", "Mean of the worst cases.", unit="points"),
            Field("mean_best", "float64", "Mean of the best cases.", unit="points"),
        ),
    ),
)


COMPARISONS = Table(
    "comparisons",
    "Every provider and agent against all the others, in calls of the same queue; made from scores, replaced as a whole.",
    ("pack_id", "kind", "id", "dimension"),
    (
        *_PACK,
        Field("kind", "string", "`provider` or `agent`."),
        Field("id", "string", "As in `summaries`."),
        Field("dimension", "string", "Dimension id; empty for the whole score."),
        Field("compared", "int32", "Its scored calls in queues that others have calls in, too."),
        Field("strata", "int32", "Queues in which it was compared."),
        Field(
            "difference",
            "float64",
            "Its mean score minus the others', at the same mix of queues; null where it cannot be said.",
            unit="points",
        ),
        Field("low", "float64", "Lower end of the difference's 95 % interval.", unit="points"),
        Field("high", "float64", "Upper end.", unit="points"),
        Field("p_adjusted", "float64", "Two-sided p-value, corrected by Holm over the kind; null where no question was asked."),
        Field("answer", "string", "`better`, `worse`, `not_proven` or `not_enough` (calls)."),
    ),
)

TRENDS = Table(
    "trends",
    "Scores by day and week, each against the one before; made from scores, replaced as a whole.",
    ("pack_id", "kind", "id", "unit", "period"),
    (
        *_PACK,
        Field("kind", "string", "`all`, `provider` or `agent`."),
        Field("id", "string", "As in `summaries`."),
        Field("unit", "string", "`day` or `week`."),
        Field("period", "string", "First day, ISO 8601; a week begins on Monday."),
        Field("calls", "int32", "Scored calls that started in it."),
        Field("mean_worst", "float64", "Mean of the calls' worst scores.", unit="points"),
        Field("mean_best", "float64", "Mean of the calls' best scores.", unit="points"),
        Field("low", "float64", "Lower end of the mean's 95 % interval; null where there are too few calls.", unit="points"),
        Field("high", "float64", "Upper end.", unit="points"),
        Field("difference", "float64", "Against the period before that has calls, at the same mix of queues.", unit="points"),
        Field("difference_low", "float64", "Lower end of its 95 % interval.", unit="points"),
        Field("difference_high", "float64", "Upper end.", unit="points"),
        Field("p_adjusted", "float64", "Two-sided p-value, corrected by Holm over the series."),
        Field("answer", "string", "`up`, `down`, `not_proven`, `not_enough` (calls) or `first`."),
    ),
)


REVIEW_PLAN = Table(
    "review_plan",
    "Calls drawn for people to judge, rule by rule, with what they were drawn from.",
    ("pack_id", "call_id", "rule"),
    (
        *_PACK[:1],
        _CALL_ID,
        Field("rule", "string", "Rule id."),
        Field("round", "string", "Name of the draw."),
        Field(
            "stratum",
            "string",
            "`hit`, `near` (a miss near a hit), `other` (any other miss), `all` (manual items), or `asked` (not drawn by lot).",
        ),
        Field("stratum_calls", "int32", "Calls in the stratum."),
        Field("stratum_drawn", "int32", "Calls drawn from it; each had the chance `stratum_drawn` ÷ `stratum_calls`."),
        Field("machine", "string", "The machine's verdict when it was drawn."),
    ),
)

REVIEWS = Table(
    "reviews",
    "What people said. The last word of a reviewer on a call and rule counts; the machine's verdict is never overwritten.",
    ("pack_id", "call_id", "rule", "reviewer"),
    (
        *_PACK[:1],
        _CALL_ID,
        Field("rule", "string", "Rule id."),
        Field("reviewer", "string", "Who."),
        Field("at", "string", "When, as given with the answers."),
        Field("answer", "string", "`hit`, `miss`, `cannot_tell` or `not_applicable`: what the reviewer heard."),
        Field("note", "string", "The reviewer's words."),
        Field("shown", "bool", "The reviewer had seen what the machine found before answering.", since="0.2"),
    ),
)

QUALITY = Table(
    "quality",
    "How right each rule is, from reviews of drawn calls; made anew by score.",
    ("pack_id", "rule"),
    (
        *_PACK,
        Field("rule", "string", "Rule id."),
        Field("reviewed", "int32", "Drawn calls with an answer."),
        Field("cannot_tell", "int32", "Drawn calls on which reviewers could not tell or disagreed."),
        Field("reviewed_hits", "int32", "Machine's hits among those answered."),
        Field("right", "int32", "Of these, heard to be hits."),
        Field("missed", "int32", "Machine's misses among those answered that were heard to be hits."),
        Field("precision", "float64", "Share of the machine's hits that are right.", unit="0 to 1"),
        Field("precision_low", "float64", "Lower end of its 95 % interval."),
        Field("precision_high", "float64", "Upper end."),
        Field(
            "recall", "float64", "Share of true hits that the machine found; null where a stratum has no answers.", unit="0 to 1"
        ),
        Field("recall_low", "float64", "Lower end of its 95 % interval."),
        Field("recall_high", "float64", "Upper end."),
    ),
)


AGREEMENT = Table(
    "agreement",
    "How far reviewers of the same calls agree; made anew by score.",
    ("pack_id", "rule"),
    (
        *_PACK,
        Field("rule", "string", "Id of the rule or manual item; empty for all together."),
        Field("reviewers", "int32", "Reviewers who judged a call that another judged, too."),
        Field("calls", "int32", "Calls (and rules) that two or more judged. «Cannot tell» is no judgement."),
        Field("pairs", "int32", "Pairs of judgements on the same call and rule."),
        Field("agreed", "float64", "Share of these pairs that say the same.", unit="0 to 1"),
        Field(
            "alpha",
            "float64",
            "Krippendorff's alpha, nominal; null where all answers are alike.",
            unit="1: always, 0: as by chance",
        ),
        Field("kappa", "float64", "Cohen's kappa, of more than two reviewers the mean over their pairs; null as above."),
    ),
)

CORRECTED = Table(
    "corrected",
    "Providers' rates of a rule freed from the machine's errors, by what reviews say of its recall and specificity; made anew by score.",
    ("pack_id", "kind", "id", "rule"),
    (
        *_PACK,
        Field("kind", "string", "`provider`."),
        Field("id", "string", "As in `summaries`."),
        Field("rule", "string", "Rule id."),
        Field("calls", "int32", "Scored calls to which the rule applies."),
        Field("hits", "int32", "Of these, the machine's hits."),
        Field("rate", "float64", "The machine's hits per 100 of these calls; undecided counts as no hit.", unit="per 100 calls"),
        Field("corrected", "float64", "The rate after Rogan and Gladen; null below the minimum of calls.", unit="per 100 calls"),
        Field("low", "float64", "Lower end of its 95 % interval.", unit="per 100 calls"),
        Field("high", "float64", "Upper end.", unit="per 100 calls"),
        Field("compared", "int32", "Its calls in queues that others have calls in, too."),
        Field("strata", "int32", "Queues in which it was compared."),
        Field("difference", "float64", "Its corrected rate minus the others', at the same mix of queues.", unit="per 100 calls"),
        Field("difference_low", "float64", "Lower end of its 95 % interval.", unit="per 100 calls"),
        Field("difference_high", "float64", "Upper end.", unit="per 100 calls"),
        Field("p_adjusted", "float64", "Two-sided p-value, corrected by Holm over all providers and rules."),
        Field("answer", "string", "`more`, `fewer` (hits than the others), `not_proven` or `not_enough` (calls)."),
    ),
)


MIN_CALLS = 5
"""Scored calls below which `summaries` gives no interval of the mean."""

MIN_COMPARED = 20
"""Calls below which nobody is compared with others: scores pile up at one end, and fewer prove nothing."""


def agent_key(provider: str | None, agent: str | None) -> str:
    """`summaries.id` of an agent: provider, `/`, agent, each with `%` and `/` escaped, so that two pairs never share one.

    None (or blank) is nobody: calls without an agent or provider are summed up under empty parts.
    """
    return "/".join((part or "").strip().replace("%", "%25").replace("/", "%2F") for part in (provider, agent))


TABLES: dict[str, Table] = {
    t.name: t
    for t in (
        CALLS,
        TRANSCRIPTS,
        FINDINGS,
        SCORES,
        SUMMARIES,
        COMPARISONS,
        TRENDS,
        REVIEW_PLAN,
        REVIEWS,
        QUALITY,
        AGREEMENT,
        CORRECTED,
    )
}


def _arrow_type(field: Field) -> pa.DataType:
    import pyarrow as pa

    if field.type == "list<struct>":
        return pa.list_(pa.struct([pa.field(f.name, _arrow_type(f)) for f in field.fields]))
    if field.type.startswith("list<"):
        return pa.list_(_scalar(field.type[5:-1]))
    return _scalar(field.type)


def _scalar(name: str) -> pa.DataType:
    import pyarrow as pa

    return {
        "string": pa.string(),
        "bool": pa.bool_(),
        "int32": pa.int32(),
        "int64": pa.int64(),
        "float32": pa.float32(),
        "float64": pa.float64(),
    }[name]


@cache
def schema(table: str) -> pa.Schema:
    """The pyarrow schema of a table by name. Raises KeyError for a name that is not in `TABLES`."""
    import pyarrow as pa

    return pa.schema([pa.field(f.name, _arrow_type(f)) for f in TABLES[table].fields])


def rows_at(data: pa.Table, places: Any) -> Iterator[dict[str, Any]]:
    """Rows of a table by their places (int [n]), in that order, a few hundred at a time; its pieces are never made one."""
    import numpy as np
    import pyarrow as pa

    batches = [batch for batch in data.to_batches() if batch.num_rows]
    ends = np.cumsum([batch.num_rows for batch in batches])
    wanted = np.asarray(places, np.int64)
    for first in range(0, len(wanted), _TAKEN):
        some = wanted[first : first + _TAKEN]
        pieces = np.searchsorted(ends, some, side="right")
        for run in np.split(np.arange(len(some)), np.flatnonzero(np.diff(pieces)) + 1):
            piece = int(pieces[run[0]])
            before = int(ends[piece]) - batches[piece].num_rows
            yield from batches[piece].take(pa.array(some[run] - before)).to_pylist()
