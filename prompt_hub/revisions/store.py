"""What the state database keeps of prompts, opened together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from prompt_hub.errors import UnknownLabel, UnknownRevision
from prompt_hub.revisions.access import Access
from prompt_hub.revisions.labels import Labels
from prompt_hub.revisions.references import Reference, kept_revision
from prompt_hub.revisions.revisions import Revisions

if TYPE_CHECKING:
    from prompt_hub.hub import PromptHub
    from prompt_hub.revisions.access import Identity
    from prompt_hub.revisions.labels import Move, Unmet
    from prompt_hub.revisions.revisions import Revision
    from prompt_hub.schema import PromptProfile
    from store.database import StateDatabase


@dataclass(frozen=True)
class PromptStore:
    """Revisions, their labels, and who may do what with them, in one state database."""

    database: StateDatabase
    revisions: Revisions
    labels: Labels
    access: Access

    @classmethod
    def over(cls, database: StateDatabase, *, unmet: Unmet | None = None) -> Self:
        """The store of a state database.

        Args:
            database: Keeps it all.
            unmet: Says which requirements of a label a revision does not meet; none are required if None.
        """
        access, revisions = Access(database), Revisions(database)
        return cls(database, revisions, Labels(database, access, revisions, unmet=unmet), access)

    def save(self, who: Identity, hub: PromptHub, profile_id: str, *, message: str) -> tuple[Revision, bool]:
        """Keep a profile, as its files say it, as a revision.

        Args:
            who: In whose name.
            hub: What the files say.
            profile_id: Which profile.
            message: What is different about it.

        Returns:
            The revision, and whether it is new.

        Raises:
            UnknownProfile: No file has this id.
            AccessRefused: `who` is no author.
        """
        profile = hub.get(profile_id)
        self.access.require(who, "author", f"save a revision of {profile_id}")
        layers = hub.provenance[profile_id]
        is_new = self.revisions.keep(profile, author=str(who), message=message, layers=layers)
        return self.revisions.get(profile_id, profile.hash), is_new

    def label_files(
        self,
        who: Identity,
        hub: PromptHub,
        profile_id: str,
        label: str,
        *,
        why: str,
        expected: str | None = None,
        override: bool = False,
    ) -> Move:
        """Let a label point at what a profile's files say, which is kept as a revision once nothing hinders the move.

        Args:
            who: Who moves it.
            hub: What the files say.
            profile_id: Which profile.
            label: Which label.
            why: Why, for the history; the revision's message, where it is new.
            expected: As `Labels.move` has it.
            override: As `Labels.move` has it.

        Raises:
            UnknownProfile: No file has this id.
            BadLabel, AccessRefused, PromotionRefused, LabelMoved: As `Labels.move`; but for the last nothing is kept.
        """
        named = hub.get(profile_id)
        self.labels.require(who, label, named, named=profile_id, why=why, override=override)
        revision, _ = self.save(who, hub, profile_id, message=why or f"For the label {label}.")
        return self.labels.move(who, label, revision, why=why, expected=expected, override=override)


def resolve(text: str, hub: PromptHub, store: PromptStore) -> PromptProfile:
    """The profile that a reference names: of the files for `id`, kept for `id@label` and `id@hash`.

    Raises:
        BadReference: It names no prompt.
        UnknownProfile: No file has this id, nor is any revision of it kept.
        RevisionError: The database keeps no such revision, or no such label.
        store.errors.DatabaseUnreachable: Nobody can say.
    """
    reference = Reference.parse(text)
    if not reference.is_kept:
        return hub.get(reference.profile_id)
    try:
        return kept_revision(reference, store.labels, store.revisions).profile
    except (UnknownLabel, UnknownRevision):
        if not store.revisions.history(reference.profile_id):
            # Where the profile itself is not known, its name is what is wrong.
            hub.get(reference.profile_id)
        raise
