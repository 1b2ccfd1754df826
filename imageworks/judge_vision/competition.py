"""A competition's rules, as clubs write them in TOML, checked before any work is done."""

from collections import Counter
from collections.abc import Collection
from itertools import combinations
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    AliasChoices,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    model_validator,
)

from imageworks.judge_vision.formats import check_color_space, check_format
from imageworks.judge_vision.name_pattern import parse_pattern

HIGHEST_MARK = 20
"""UK clubs mark out of twenty."""

_WHOLE = 2**53 - 1
"""The largest whole number that every reader of JSON takes exactly (RFC 8259, section 6)."""


def _check_naming(pattern: str) -> str:
    if pattern:
        parse_pattern(pattern)
    return pattern


def _check_mark(mark: int) -> int:
    if not 0 <= mark <= HIGHEST_MARK:
        raise ValueError(f"marks go from 0 to {HIGHEST_MARK}, not {mark}")
    return mark


def _listed_if_single(marks: Any) -> Any:
    return [marks] if isinstance(marks, int) and not isinstance(marks, bool) else marks


def _all_marks(marks: tuple[int, ...]) -> tuple[int, ...]:
    """Every mark of a band; of one that is written as a range, those between its ends too."""
    return tuple(range(min(marks), max(marks) + 1)) if len(marks) == 2 else marks  # noqa: PLR2004 - two ends


def marks_in_words(marks: Collection[int]) -> str:
    """Marks as people say them: `16 to 20`, or each of them where they are not in one row."""
    low, high = min(marks), max(marks)
    in_a_row = high - low >= 2 and set(range(low, high + 1)) <= set(marks)  # noqa: PLR2004 - two are a pair
    return f"{low} to {high}" if in_a_row else ", ".join(map(str, sorted(set(marks))))


Mark = Annotated[int, AfterValidator(_check_mark)]
Band = Annotated[tuple[Mark, ...], BeforeValidator(_listed_if_single), AfterValidator(_all_marks)]
PlaceBand = Annotated[
    tuple[Annotated[int, Field(ge=1, le=10_000)], ...],
    BeforeValidator(_listed_if_single),
    AfterValidator(_all_marks),
]
Pixels = Annotated[int, Field(ge=1, le=1_000_000)]
Leads = Literal["pass", "query", "fail"]
"""What a finding leads to."""

Word = Annotated[str, Field(min_length=1, max_length=80)]


class _Rule(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True, str_strip_whitespace=True)


class Rules(_Rule):
    """What a file must be to take part; a rule that is not set is not checked."""

    max_width: Pixels | None = Field(None, description="Greatest width, pixels, as the photo is seen.")
    max_height: Pixels | None = Field(None, description="Greatest height, pixels; for portraits too.")
    min_width: Pixels | None = Field(None, description="Least width, pixels.")
    min_height: Pixels | None = Field(None, description="Least height, pixels.")
    max_bytes: Annotated[int, Field(ge=1, le=_WHOLE)] | None = Field(None, description="Largest file, bytes.")
    formats: tuple[Annotated[Word, AfterValidator(check_format)], ...] = Field(
        (), description="Formats taken, such as JPEG; empty: any."
    )
    borders: str = Field("", max_length=200, description="The club's words on borders; told to the judge.")
    manipulation: str = Field(
        "", max_length=400, description="The club's words on editing; told to the judge."
    )
    watermark_allowed: bool | None = Field(None, description="Whether names or logos in the picture pass.")
    color_space: Annotated[str, Field(max_length=80), AfterValidator(check_color_space)] = Field(
        "",
        validation_alias=AliasChoices("color_space", "colour_space"),
        description="The color space that files must be in, such as sRGB; empty: any.",
    )
    naming: Annotated[str, Field(max_length=120), AfterValidator(_check_naming)] = Field(
        "",
        description="How files are named, such as '{title} by {author}', and with '.jpg' when it matters; "
        "empty: anyhow.",
    )
    entries_per_author: Annotated[int, Field(ge=1, le=_WHOLE)] | None = Field(
        None, description="Most entries of one author; needs {author} in `naming`."
    )

    mono_categories: tuple[Word, ...] = Field(
        (), description="Categories for monochrome alone; empty: those called Mono or Monochrome."
    )
    on_borders: Leads = Field(
        "query", description="What a border in the picture leads to: pass, query or fail."
    )
    on_color_in_mono: Leads = Field(
        "query", description="What more than one tint leads to in a category for monochrome."
    )
    on_text: Leads = Field(
        "query",
        description="What a signature, a logo's name or a date in the picture leads to, unless `watermark_allowed`.",
    )
    on_near_duplicates: Leads = Field(
        "query",
        description="What the same picture, edited or saved anew, leads to for the later of two by name, or for the "
        "one that breaks another rule.",
    )
    on_ai_metadata: Leads = Field(
        "query", description="What metadata that name a generator of pictures lead to."
    )
    on_reuse: Leads = Field(
        "query", description="What a picture leads to that took part in an earlier round judged in this home."
    )

    @model_validator(mode="after")
    def _fits_together(self) -> "Rules":
        for least, most in (("min_width", "max_width"), ("min_height", "max_height")):
            low, high = getattr(self, least), getattr(self, most)
            if low is not None and high is not None and low > high:
                raise ValueError(f"{least} {low} is greater than {most} {high}: no photo could pass")
        if self.entries_per_author is not None and "{author}" not in self.naming:
            raise ValueError(
                "entries_per_author needs a `naming` with {author}, such as '{title} by {author}'"
            )
        return self


class Playoff(_Rule):
    """How the best-scored entries are compared in pairs."""

    rounds: Annotated[int, Field(ge=0, le=100)] = Field(
        4, description="How often each entry may be compared, on average; 0: no playoff."
    )
    shortlist: Annotated[int, Field(ge=2, le=200)] = Field(12, description="How many entries take part.")
    places: Annotated[int, Field(ge=1, le=200)] = Field(
        3, description="How many first places are to be settled; the playoff ends when they are."
    )
    seed: Annotated[int, Field(ge=-_WHOLE, le=_WHOLE)] = Field(
        0, description="Decides what nothing else decides; the same seed, the same pairs."
    )


class Competition(_Rule):
    """One competition: what it is called, what it takes, and what it gives.

    `pairwise_rounds` beside the name is read as `playoff.rounds`, `colour_space` as `color_space`.
    """

    id: Annotated[str, Field(min_length=1, max_length=80, description="What stands in `[competition.<id>]`.")]
    name: str = Field("", max_length=200, description="What people call it; empty: its id.")
    categories: tuple[Word, ...] = Field((), description="Sections, such as Colour and Mono.")
    awards: tuple[Word, ...] = Field((), description="Awards, best first.")
    score_bands: dict[Word, Band] = Field(
        default_factory=dict,
        description="The marks that earn each award: `[16, 20]` is 16 to 20, `18` that mark alone, three or more are "
        "a list.",
    )
    place_bands: dict[Word, PlaceBand] = Field(
        default_factory=dict,
        description="The places that earn each award, instead of marks: `1` is the first, `[2, 3]` the next two.",
    )
    anchors: tuple[str, ...] = Field(
        (), description="Names of reference photos that the club keeps; a record."
    )
    anchor_marks: dict[Word, Annotated[float, Field(ge=0, le=HIGHEST_MARK)]] = Field(
        default_factory=dict,
        description="Marks that people gave reference photos among the entries, by file name without its ending.",
    )
    notes: str = Field("", max_length=4000, description="The club's own words; told to the judge.")
    rules: Rules = Field(Rules(), description="What a file must be to take part; a table of its own.")
    playoff: Playoff = Field(Playoff(), description="How the best are compared; a table of its own.")

    @model_validator(mode="before")
    @classmethod
    def _read_older_names(cls, data: Any) -> Any:
        if not isinstance(data, dict) or "pairwise_rounds" not in data:
            return data
        rest = {key: value for key, value in data.items() if key != "pairwise_rounds"}
        playoff = rest.get("playoff") or {}
        if isinstance(playoff, dict):
            if "rounds" in playoff:
                raise ValueError("pairwise_rounds and playoff.rounds say the same thing: keep one")
            rest["playoff"] = {**playoff, "rounds": data["pairwise_rounds"]}
        return rest

    @model_validator(mode="after")
    def _bands_fit_awards(self) -> "Competition":
        repeated = sorted(award for award, times in Counter(self.awards).items() if times > 1)
        if repeated:
            raise ValueError(f"awards: {' and '.join(map(repr, repeated))} is there more than once")
        if self.score_bands and self.place_bands:
            raise ValueError("score_bands and place_bands both say what earns an award: keep one")
        for key, bands, earning in (
            ("score_bands", self.score_bands, "mark"),
            ("place_bands", self.place_bands, "place"),
        ):
            for (one, marks), (other, others) in combinations(bands.items(), 2):
                if shared := set(marks) & set(others):
                    raise ValueError(
                        f"{key}: {one!r} ({marks_in_words(marks)}) and {other!r} ({marks_in_words(others)}) overlap at "
                        f"{marks_in_words(shared)}; a {earning} earns one award"
                    )
            for award in bands:
                if self.awards and award not in self.awards:
                    raise ValueError(f"{key}: {award!r} is not among the awards {list(self.awards)}")
        return self

    @property
    def title(self) -> str:
        """What to print: the name, or the id where there is none."""
        return self.name or self.id

    def award_for(self, score: int, place: int | None = None) -> str | None:
        """The award that these marks, or this place, earn, or None; those that share a place share its award."""
        for award, marks in self.score_bands.items():
            if score in marks:
                return award
        for award, places in self.place_bands.items():
            if place in places:
                return award
        return None

    def award_order(self) -> tuple[str, ...]:
        """All awards, best first: as the file lists them, else by their highest mark or first place."""
        if self.awards:
            return self.awards
        if self.place_bands:
            return tuple(sorted(self.place_bands, key=lambda award: min(self.place_bands[award], default=0)))
        return tuple(sorted(self.score_bands, key=lambda award: -max(self.score_bands[award], default=-1)))

    def rules_notes(self) -> str:
        """What the club says in words, for the judge: notes, borders, editing, watermarks. May be empty."""
        lines = [self.notes.strip()] if self.notes.strip() else []
        if self.rules.borders:
            lines.append(f"Borders: {self.rules.borders}.")
        if self.rules.manipulation:
            lines.append(f"Editing: {self.rules.manipulation}.")
        if self.rules.watermark_allowed is False:
            lines.append("No author's name, logo or watermark may be in the picture.")
        return "\n".join(lines)


def default_competition() -> Competition:
    """The rules for a batch without a rules file: any readable photo, a playoff of twelve."""
    return Competition(
        id="open",
        name="Open competition",
        awards=("Gold", "Silver", "Bronze"),
        score_bands={"Gold": (19, 20), "Silver": (17, 18), "Bronze": (15, 16)},
    )
