"""Candidates: the texts of a stage that may change, put into its profile, and held to the stage's contract."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from prompt_hub.checking import template_doubts, template_problems
from prompt_hub.errors import NothingToChange, ProfileCycle, TemplateRefused
from prompt_hub.partials import with_partials
from prompt_hub.schema import template_text
from prompt_hub.templates import free_names, syntax_tree
from store.yaml_reading import field_text

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from prompt_hub.schema import PromptProfile

Candidate = dict[str, str]
"""The texts that may change, by the name of their field: `system`, `user`, `partials.blind`."""

PARTIAL: Final = "partials."


@dataclass(frozen=True)
class Subject:
    """A stage that is to be improved.

    Attributes:
        profile: Its effective profile, the parent of what is found.
        stage: The stage.
        written: `system` and `user` as they are written, and the partials, by field.
        seed: Those of them that may change.
    """

    profile: PromptProfile
    stage: str
    written: Mapping[str, str]
    seed: Mapping[str, str]

    @classmethod
    def of(
        cls, profile: PromptProfile, stage: str, layered: Mapping[str, Any], frozen: Collection[str]
    ) -> Subject:
        """The subject.

        Args:
            profile: An effective profile.
            stage: The stage.
            layered: The profile as it is written, partials apart; empty for one that is kept.
            frozen: Fields that are not to change; `partials` means all of them.

        Raises:
            UnknownStage: There is no such stage.
            NothingToChange: A frozen field is not there, or all are frozen.
        """
        template = profile.stage(stage)
        own = layered.get("stages", {}).get(stage, {})
        written = {
            role: template_text(str(own.get(role, getattr(template, role)))) for role in ("system", "user")
        }
        partials = {
            f"{PARTIAL}{name}": template_text(text)
            for name, text in layered.get("partials", {}).items()
            if f'include "{name}"' in "".join(map(str, own.values()))
        }
        others = {
            f"{PARTIAL}{name}": template_text(text) for name, text in layered.get("partials", {}).items()
        }
        known = {**written, **partials}
        unknown = [name for name in frozen if name not in known and name != "partials"]
        if unknown:
            raise NothingToChange(
                f"There is no text {', '.join(unknown)} to freeze; there are {', '.join(known)}."
            )
        seed = {
            name: text
            for name, text in known.items()
            if text and name not in frozen and not (name.startswith(PARTIAL) and "partials" in frozen)
        }
        if not seed:
            raise NothingToChange("Every text of the stage is frozen, so there is nothing to change.")
        return cls(profile, stage, {**others, **written}, seed)

    def applied(self, candidate: Mapping[str, str]) -> PromptProfile:
        """The profile with a candidate's texts.

        Raises:
            TemplateRefused, ProfileCycle: Its partials cannot be put in.
            ValueError: A text is too large, or the user's is empty.
        """
        texts = {**self.written, **candidate}
        partials = {
            name.removeprefix(PARTIAL): text for name, text in texts.items() if name.startswith(PARTIAL)
        }
        content = self.profile.model_dump(mode="json")
        for role in ("system", "user"):
            content["stages"][self.stage][role] = with_partials(texts[role], partials)
        return type(self.profile).model_validate(content)

    def problem(self, candidate: Mapping[str, str]) -> str | None:
        """Why a candidate is not to be asked with; None where nothing speaks against it."""
        touched = sorted(candidate.keys() - self.seed.keys())
        if touched:
            return f"it changes {', '.join(touched)}, which is frozen"
        try:
            profile = self.applied(candidate)
        except (TemplateRefused, ProfileCycle, ValueError) as error:
            return f"it cannot be read: {_first_line(error)}"
        for place, problem in template_problems(profile):
            if place[1] == self.stage:
                return f"{field_text(place[2:])} {problem}"
        dropped = sorted(_used(self.profile, self.stage) - _used(profile, self.stage))
        if dropped:
            shown = ", ".join(f"{{{{ {name} }}}}" for name in dropped)
            return f"it drops {shown}, which it is given and has to use"
        known = set(template_doubts(self.profile))
        known_doubts = {doubt.partition(": ")[2] for _, doubt in known}
        for place, doubt in template_doubts(profile):
            if (place, doubt) not in known and doubt.partition(": ")[2] not in known_doubts:
                return f"{field_text(place[2:])}: {doubt}"
        return None


def _used(profile: PromptProfile, stage: str) -> set[str]:
    template = profile.stage(stage)
    return {name for text in (template.system, template.user) for name in free_names(syntax_tree(text))}


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return " ".join(lines[:3])[:300]
