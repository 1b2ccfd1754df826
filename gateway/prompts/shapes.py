"""What is sent to and from ``/v1/prompts``."""

# pydantic reads the annotations when the classes are made.

from __future__ import annotations

from datetime import datetime  # noqa: TC003 - see above
from typing import Annotated, Any, Literal

from fastapi import Path
from pydantic import BaseModel, ConfigDict, Field, model_validator

from prompt_hub.testing.outcomes import State  # noqa: TC001 - see above
from store.yaml_reading import MAX_BYTES

_LONGEST = 2000
# PostgreSQL takes no NUL.
_PLAIN = r"^[^\x00]*$"

Words = Annotated[str, Field(max_length=_LONGEST, pattern=_PLAIN)]
Reason = Annotated[str, Field(min_length=1, max_length=_LONGEST, pattern=_PLAIN)]
Reference = Annotated[str, Field(min_length=1, max_length=256, pattern=_PLAIN)]
InPath = Annotated[str, Path(max_length=256, pattern=_PLAIN)]


class _Sent(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


class RenderBody(_Sent):
    """A stage, and the variables that it is rendered with."""

    stage: Reference
    variables: dict[str, Any] = Field(default_factory=dict)


class RevisionBody(_Sent):
    """What is different about a revision."""

    message: Reason


class LabelBody(_Sent):
    """What a label is to point at, and why."""

    ref: Reference | None = Field(
        default=None, description="A reference: the id for what the files say, id@label or id@hash."
    )
    hash: Reference | None = Field(default=None, description="The first digits of a revision, in its place.")
    why: Words = ""
    expected: Reference | None = Field(
        default=None, description="What it points at in the mover's eyes, by the first digits of its hash."
    )
    override: bool = Field(
        default=False, description="Pass over what the label requires: for admins, with a reason."
    )

    @model_validator(mode="after")
    def _names_one(self) -> LabelBody:
        if (self.ref is None) == (self.hash is None):
            raise ValueError("send either ref or hash")
        return self


class RollbackBody(_Sent):
    """Why a label is rolled back."""

    why: Reason


class FileBody(_Sent):
    """All of a file of the user's layer, and what its editor had read."""

    text: Annotated[str, Field(max_length=MAX_BYTES)]
    expected: str | None = Field(
        description="SHA-256 of the file as it was read; null where there was none.", pattern="^[0-9a-f]{64}$"
    )


class PromptCard(BaseModel):
    """A prompt profile in a list."""

    id: str
    object: Literal["prompt"]
    application: str
    description: str
    profile_hash: str
    layer: Literal["shipped", "user"] = Field(description="user where the user's files say something of it.")
    stages: dict[str, str] = Field(description="stage_hash by profile stage.")
    labels: dict[str, str] = Field(description="The hash that each label points at.")
    tests: State | Literal["untested"] = Field(description="What its last tests came to, all together.")


class PromptList(BaseModel):
    """All prompt profiles, as the files say them."""

    object: Literal["list"]
    prompt_hub_version: str
    data: list[PromptCard]


class Kept(BaseModel):
    """How a revision came to be kept."""

    author: str
    message: str
    saved_at: datetime
    parents: list[str]
    lineage: dict[str, Any]


class Prompt(BaseModel):
    """An effective prompt profile."""

    id: str
    object: Literal["prompt"]
    profile_hash: str
    stages: dict[str, str]
    labels: dict[str, str]
    profile: dict[str, Any] = Field(
        description="The effective profile: what it extends and includes is put in."
    )
    layers: dict[str, str] = Field(description="The file that each of its fields came from.")
    doubts: list[str]
    kept: Kept | None = Field(description="Where a label or a hash names it.")


class RenderedMessage(BaseModel):
    """A message of a rendered prompt."""

    role: Literal["system", "user"]
    content: str


class RenderedPrompt(BaseModel):
    """What would be said to a model."""

    object: Literal["prompt.rendered"]
    profile_id: str
    profile_stage: str
    profile_hash: str
    stage_hash: str
    messages: list[RenderedMessage]
    images: int
    parameters: dict[str, Any]
    output_schema: dict[str, Any]


class RevisionCard(Kept):
    """A revision in a history."""

    profile_hash: str
    labels: list[str]


class MoveCard(BaseModel):
    """One move of a label."""

    profile_id: str
    label: str
    from_hash: str | None
    to_hash: str | None
    who: str
    acted_by: str | None
    why: str
    overrode: str | None
    moved_at: datetime


class History(BaseModel):
    """Revisions and moves of labels, each the newest first."""

    object: Literal["prompt.history"]
    id: str
    revisions: list[RevisionCard]
    moves: list[MoveCard]


class TestCard(BaseModel):
    """What once came of one set of tests with one model."""

    # pytest takes what begins so for a test.
    __test__ = False

    set_name: str
    set_hash: str
    model: str
    model_revision: str
    states: dict[str, State]
    rates: dict[str, float]
    who: str
    ran_at: datetime


class Tests(BaseModel):
    """All that is kept of a profile's tests, the newest first."""

    __test__ = False

    object: Literal["prompt.tests"]
    id: str
    profile_hash: str
    state: State | Literal["untested"]
    results: list[TestCard]


class SavedRevision(BaseModel):
    """A revision that was saved, or was there before."""

    object: Literal["prompt.revision"]
    id: str
    profile_hash: str
    new: bool


class PromptFile(BaseModel):
    """A file of the user's layer."""

    object: Literal["prompt.file"]
    id: str
    text: str
    digest: str | None = Field(description="SHA-256 of its bytes; null where there is none.")


class Changed(BaseModel):
    """What became of one profile."""

    before: str | None
    after: str | None


class SavedPromptFile(BaseModel):
    """A file that was saved, and what it changed."""

    object: Literal["prompt.file.saved"]
    id: str
    digest: str
    prompt_hub_version: str
    changed: dict[str, Changed]
