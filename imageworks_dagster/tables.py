"""The tables that stages publish: their columns, with types, units and meaning.

This is the one place where a column is declared. Stages build rows against it, Parquet files carry the
descriptions as field metadata, and the analysts' guide is generated from it. Light to import: Arrow is only
loaded when a table is built, because the definitions load this module.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from backends.iqa.metrics import METRICS

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    import pyarrow as pa


@dataclass(frozen=True)
class Column:
    """One column: ``kind`` is ``text``, ``number``, ``count``, ``flag``, ``texts`` or ``numbers`` (lists).

    ``volatile`` columns differ between runs that found the same thing, so they are left out of the table's
    data version.
    """

    name: str
    kind: str
    description: str
    volatile: bool = False


@dataclass(frozen=True)
class TableShape:
    """The columns of one asset's table, in order, and those that together name a row.

    ``key_of_several`` names it too where several were asked; of one the column is null.
    """

    asset: str
    columns: tuple[Column, ...]
    key: tuple[str, ...] = ("entry_id",)
    key_of_several: str | None = None

    def key_of(self, rows: Collection[Mapping[str, Any]]) -> tuple[str, ...]:
        """The columns that together name a row of these."""
        several = self.key_of_several
        if several is None or not rows or any(row.get(several) is None for row in rows):
            return self.key
        return (*self.key, several)

    @property
    def volatile(self) -> frozenset[str]:
        """Names of the columns that say how a run went, rather than what it found."""
        return frozenset(column.name for column in self.columns if column.volatile)

    def arrow_schema(self) -> pa.Schema:
        """The Arrow schema, with each column's description as field metadata."""
        import pyarrow as pa  # noqa: PLC0415 - Arrow is heavy and the definitions load this module

        kinds = {
            "text": pa.string(),
            "number": pa.float64(),
            "count": pa.int64(),
            "flag": pa.bool_(),
            "texts": pa.list_(pa.string()),
            "numbers": pa.list_(pa.float64()),
        }
        return pa.schema(
            [
                pa.field(column.name, kinds[column.kind], metadata={"description": column.description})
                for column in self.columns
            ]
        )

    def build(self, rows: Collection[Mapping[str, Any]]) -> pa.Table:
        """Arrow table of ``rows``, ordered by the key; a missing column is null.

        Raises:
            KeyError: a row has a column that the shape does not declare.
        """
        import pyarrow as pa  # noqa: PLC0415 - as above

        names = {column.name for column in self.columns}
        key = self.key_of(rows)
        ordered = sorted(rows, key=lambda row: tuple(row[name] for name in key))
        for row in ordered:
            if unknown := row.keys() - names:
                msg = f"{self.asset} declares no column {sorted(unknown)}"
                raise KeyError(msg)
        arrays = {name: [row.get(name) for row in ordered] for name in (c.name for c in self.columns)}
        return pa.table(arrays, schema=self.arrow_schema())


_IDENTITY = (
    Column("entry_id", "text", "Batch and relative path: names a photo in a batch."),
    Column("photo_id", "text", "SHA-256 of the picture data with orientation and ICC profile."),
    Column("batch", "text", "The batch, as its partition key."),
    Column("run_id", "text", "The run that published this row.", volatile=True),
    Column("error_class", "text", "Why there is no result for this entry; null when there is one."),
    Column("error_message", "text", "The reason in words; null when there is a result.", volatile=True),
)

_ANSWER = (
    Column(
        "answered_by",
        "text",
        "The request whose answer this row holds; joins to events.event_id.",
        volatile=True,
    ),
    Column("recalled", "flag", "True when a kept answer was used and no model was asked.", volatile=True),
    Column("request_digest", "text", "Names the question by content."),
    Column("profile_id", "text", "The prompt profile."),
    Column("stage_hash", "text", "Hash of the effective profile stage."),
    Column("model", "text", "The logical model that answered."),
    Column("model_revision", "text", "Digest of what influences the model's answers."),
    Column("deployment", "text", "The deployment that answered.", volatile=True),
    Column("repaired", "flag", "True when the answer needed the one repair try.", volatile=True),
)


def _file_columns(*, volatile_bytes: bool) -> tuple[Column, ...]:
    """Columns of a discovered file; a library's bytes change when metadata is written, its pictures do not."""
    return (
        Column("relative_path", "text", "Path below the batch's folder; undecodable bytes percent-encoded."),
        Column("file_name", "text", "The file's name."),
        Column("kind", "text", "'picture' or 'raw'."),
        Column("file_size", "count", "Bytes.", volatile=volatile_bytes),
        Column("file_sha256", "text", "SHA-256 of the whole file.", volatile=volatile_bytes),
        Column("format", "text", "Format by content, not by name."),
        Column("width", "count", "Pixels, after orientation."),
        Column("height", "count", "Pixels, after orientation."),
        Column("color_space", "text", "By the ICC profile, or by EXIF when there is none."),
        Column("captured_at", "text", "Capture time by EXIF, ISO 8601 without zone."),
    )


SIGNALS = (
    Column("luma_p1", "number", "1st percentile of luma, 0-255."),
    Column("luma_p50", "number", "Median luma, 0-255."),
    Column("luma_p99", "number", "99th percentile of luma, 0-255."),
    Column("luma_mean", "number", "Mean luma, 0-255."),
    Column("clipped_shadows", "number", "Share of pixels at the bottom of the scale, 0-1."),
    Column("clipped_highlights", "number", "Share of pixels at the top of the scale, 0-1."),
    Column("contrast", "number", "RMS contrast, 0-1."),
    Column("saturation", "number", "Mean saturation, 0-1."),
    Column("colorfulness", "number", "Hasler and Suesstrunk's colorfulness."),
    Column("sharpness", "number", "Variance of the Laplacian."),
    Column("noise", "number", "Immerkaer's noise sigma, 8-bit levels."),
    Column("edge_density", "number", "Share of pixels on an edge, 0-1."),
    Column("blockiness", "number", "Ratio of gradients on and off the 8-pixel grid; 1 is none."),
)

JUDGE_ENTRIES = TableShape(
    "judge/entries",
    (
        *_IDENTITY,
        *_file_columns(volatile_bytes=False),
        Column("title", "text", "The entry's title by the naming rule; no author's name."),
        Column("rules_digest", "text", "SHA-256 of the rules that the round is judged under."),
    ),
)

JUDGE_COMPLIANCE = TableShape(
    "judge/compliance",
    (
        *_IDENTITY,
        Column("verdict", "text", "'pass', 'query' or 'fail'."),
        Column(
            "findings",
            "text",
            "JSON list of {rule, verdict, message, measured, allowed}; with confidence, 0-1, where a detector looked, "
            "and evidence, the name of its picture, where one is drawn.",
        ),
        Column("detectors_version", "text", "Version of the detectors that looked at the picture."),
    ),
)

IQA = tuple(
    Column(
        metric.name,
        "number",
        f"Score by the image-quality metric {metric.name}, {metric.low:g}-{metric.high:g}, the best is "
        f"{metric.high:g}; null where no chosen model measured it.",
    )
    for metric in METRICS.values()
)

_SCORED = (
    *(column for column in _ANSWER if column.name not in {"profile_id", "stage_hash", "repaired"}),
    *IQA,
    Column("iqa", "text", "JSON of {metric: {mean, std} or {error, error_class}} as the model answered."),
    Column(
        "iqa_error", "text", "Why metrics are missing that were asked for; null when none is.", volatile=True
    ),
)

JUDGE_SIGNALS = TableShape(
    "judge/signals",
    (*_IDENTITY, Column("signals_version", "text", "Version of the measurements."), *SIGNALS, *_SCORED),
)

JUDGE_CRITIQUES = TableShape(
    "judge/critiques",
    (
        *_IDENTITY,
        *_ANSWER,
        Column("score", "count", "The mark, 0-20."),
        Column("impact", "count", "Mark for impact, 0-20."),
        Column("composition", "count", "Mark for composition, 0-20."),
        Column("technique", "count", "Mark for technique, 0-20."),
        Column("weighted", "number", "0.5 impact + 0.4 composition + 0.1 technique, 0-20."),
        Column("critique", "text", "The critique."),
        Column("improvement", "text", "The one improvement."),
        Column("score_low", "count", "The lowest score of several judges; null where there is one."),
        Column("score_high", "count", "The highest score of several judges; null where there is one."),
        Column(
            "opinions",
            "text",
            "JSON list of {judge, sample, model, model_revision, profile_id, stage_hash, request_digest, score, "
            "impact, composition, technique, critique, improvement, error_class}, one an answer; null where one judge "
            "was asked. The row's own marks are then the medians, its words and its request those of "
            "the answer nearest to them.",
        ),
        Column(
            "opinions_asked",
            "text",
            "JSON list of {answered_by, recalled, deployment}, in the order of opinions; answered_by joins to "
            "events.event_id.",
            volatile=True,
        ),
    ),
)

JUDGE_PLAYOFF = TableShape(
    "judge/playoff",
    (
        *_IDENTITY,
        *_ANSWER,
        Column("opponent_id", "text", "The other entry; entry_id was shown first."),
        Column("playoff_round", "count", "Round of the playoff, from 1."),
        Column("judge", "text", "Who of several judges was asked, as it was named; null where there is one."),
        Column("judges", "texts", "All who shared the comparisons, in their order; null where there is one."),
        Column("winner", "text", "'first', 'second' or 'draw', in the order shown."),
        Column("reason", "text", "The model's reason."),
    ),
    key=("entry_id", "opponent_id", "playoff_round"),
    key_of_several="judge",
)

JUDGE_RESULTS = TableShape(
    "judge/results",
    (
        *_IDENTITY,
        Column("answered_by", "text", "The request that gave the score.", volatile=True),
        Column("profile_id", "text", "The prompt profile that scored."),
        Column("stage_hash", "text", "Hash of the profile stage that scored."),
        Column("model", "text", "The model that scored; of several judges the one whose words are shown."),
        Column("model_revision", "text", "That model's revision."),
        Column("models", "texts", "The models whose marks the score comes of, by name."),
        Column("title", "text", "The entry's title."),
        Column("verdict", "text", "Compliance: 'pass', 'query' or 'fail'."),
        Column("category", "text", "The category that it is ranked in; null when nothing says one."),
        Column("place", "count", "Place, from 1; null when not ranked."),
        Column("place_low", "count", "Best place within the 95 % interval."),
        Column("place_high", "count", "Worst place within the 95 % interval."),
        Column("score", "count", "The mark, 0-20."),
        Column(
            "calibrated",
            "number",
            "The score on the scale of the anchors, 0-20; null without enough anchors.",
        ),
        Column("award", "text", "Award, by marks or by place as the rules say; null for none."),
        Column("strength", "number", "Bradley-Terry strength in logits; null outside the playoff."),
        Column("strength_low", "number", "Lower end of the 95 % interval."),
        Column("strength_high", "number", "Upper end of the 95 % interval."),
        Column("tied", "count", "How many other entries share the place."),
        Column("tied_with", "texts", "Those entries, the first twenty of them by id."),
        Column(
            "decided_by",
            "text",
            "What gave the place: 'playoff'; 'score', also of those whose comparisons are equal; or 'none'.",
        ),
        Column("reason", "text", "Why an entry has no place."),
    ),
)

TAGGER_PHOTOS = TableShape(
    "tagger/photos",
    (
        *_IDENTITY,
        *_file_columns(volatile_bytes=True),
        Column("moved_from", "text", "Where the file lay before, if it was moved here since.", volatile=True),
        Column("existing_title", "text", "The photographer's own title."),
        Column("existing_description", "text", "The photographer's own description."),
        Column("existing_keywords", "texts", "The photographer's own keywords, without those we wrote."),
        Column("context", "text", "JSON of what prompts are told besides the picture."),
        Column(
            "carries_answer_of",
            "text",
            "The entry of a burst that is asked about in this one's place; null where it is asked about itself.",
        ),
        Column("signals_version", "text", "Version of the measurements."),
        *SIGNALS,
    ),
)

_SHARED = Column(
    "shared_from",
    "text",
    "The entry of a burst whose answer this row carries; null for an answer of its own. If that photo was forgotten, "
    "it says so in the place of its name.",
)

TAGGER_CAPTIONS = TableShape(
    "tagger/captions", (*_IDENTITY, *_ANSWER, _SHARED, Column("caption", "text", "One sentence."))
)

TAGGER_KEYWORDS = TableShape(
    "tagger/keywords",
    (
        *_IDENTITY,
        *_ANSWER,
        _SHARED,
        Column(
            "keywords",
            "texts",
            "Keywords to write, normalized; behind a vocabulary's term the keywords that it lies under.",
        ),
        Column("keyword_paths", "texts", "Where the vocabulary has them, each `A|B|C`."),
        Column(
            "suggestions",
            "texts",
            "Words that the vocabulary does not have; among the keywords too, unless it is strict.",
        ),
        Column(
            "keyword_confidence",
            "numbers",
            "Of each keyword, the share of samples that gave it, 0-1; null where one sample was asked.",
        ),
        Column("samples", "count", "How many answers the keywords were taken from."),
        Column("vocabulary_digest", "text", "SHA-256 of the vocabulary; null without one."),
    ),
)

TAGGER_DESCRIPTIONS = TableShape(
    "tagger/descriptions",
    (*_IDENTITY, *_ANSWER, _SHARED, Column("description", "text", "A short paragraph.")),
)

TAGGER_METADATA = TableShape(
    "tagger/metadata",
    (
        *_IDENTITY,
        Column(
            "state",
            "text",
            "'proposed'; 'written'; 'unchanged': the file says it all already; 'undone'; 'untouched' by an undo: "
            "nothing of ours was in it; 'refused'.",
        ),
        Column("title", "text", "Title to write; null leaves the field alone."),
        Column("description", "text", "Description to write; null leaves the field alone."),
        Column("keywords", "texts", "The full, merged keyword list."),
        Column("keyword_paths", "texts", "The full, merged list of hierarchical keywords, each `A|B|C`."),
        Column("added_keywords", "texts", "Keywords that are not the photographer's own."),
        Column(
            "into",
            "text",
            "The file that says it: the photo itself, or its sidecar; below the batch's folder.",
        ),
        Column("changes", "texts", "What writing does to that file, line by line: + comes, - goes, = stays."),
        Column("write_id", "text", "The write that stands in the file, or was taken back.", volatile=True),
    ),
)

SHAPES: dict[str, TableShape] = {
    shape.asset: shape
    for shape in (
        JUDGE_ENTRIES,
        JUDGE_COMPLIANCE,
        JUDGE_SIGNALS,
        JUDGE_CRITIQUES,
        JUDGE_PLAYOFF,
        JUDGE_RESULTS,
        TAGGER_PHOTOS,
        TAGGER_CAPTIONS,
        TAGGER_KEYWORDS,
        TAGGER_DESCRIPTIONS,
        TAGGER_METADATA,
    )
}


def signal_values(row: Mapping[str, Any]) -> dict[str, float]:
    """The measured signals of a row of judge/signals or tagger/photos, by name."""
    return {column.name: row[column.name] for column in SIGNALS}
