"""What an old entry's model can do, and how it is asked: its bag of synonyms, its defaults, its roles."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from registry.parameters import problem_with

if TYPE_CHECKING:
    from collections.abc import Mapping

    from registry.importing.arguments import Arguments
    from store.import_report import ImportReport

_SEES: Final = frozenset({"vision", "visual", "multimodal", "mm", "image", "vl"})
_CHATS: Final = frozenset({"text", "language", "chat"})
_EMBEDS: Final = frozenset({"embedding", "embed", "text-embedding", "representation"})
_NOT_USED: Final = "no pipeline here uses it"

_CONTEXT: Final = 8192
_OUTPUT: Final = 2048
_MOST_TOKENS: Final = 10_000_000
_VISION: Final = {"max_images": 2, "max_long_side": 1024}

_DEFAULTS: Final = {"max_tokens": "max_output_tokens", "stop_sequences": "stop"}

_ROLES: Final[Mapping[str, tuple[str, ...]]] = {
    "caption": ("caption",),
    "keywords": ("keywords",),
    "description": ("description",),
    "narration": ("description",),
    "vision_general": ("judge", "pairwise"),
}
"""Old role → ours. Judge-Vision asked what was good at seeing in general."""


def capabilities_of(
    name: str, entry: Mapping[str, Any], told: Arguments, report: ImportReport
) -> dict[str, Any] | None:
    """The capabilities of an entry, or None, with the reason in the report, where nothing here could use it.

    Args:
        name: The old name.
        entry: Its fields.
        told: What its server was told.
        report: Told what became of each field.
    """
    bag = entry.get("capabilities")
    said = {str(word).strip().lower() for word, yes in bag.items() if yes} if isinstance(bag, dict) else set()
    sees, chats = bool(said & _SEES), bool(said & _CHATS) or not said
    if not sees and not chats:
        embeds = "it makes embeddings, which " if said & _EMBEDS else "it neither chats nor sees, so "
        report.dropped(name, "entry", f"is left out: {embeds}{_NOT_USED}")
        return None
    known = sorted(said & (_SEES | _CHATS))
    report.mapped(
        name,
        "capabilities",
        f"{', '.join(known) or 'nothing said'}: capabilities.chat" + " and vision" * sees,
    )
    if sees and not chats:
        report.changed(
            name, "capabilities", "it sees and does not chat; it is asked over chat here, as it was there"
        )
    for word in sorted(said - _SEES - _CHATS):
        report.dropped(name, f"capabilities.{word}", _NOT_USED)
    capabilities: dict[str, Any] = {"chat": _chat(name, entry, told, report)}
    if sees:
        images = told.max_images or _VISION["max_images"]
        capabilities["vision"] = {**_VISION, "max_images": images}
        report.changed(
            name, "capabilities", "max_long_side, and max_images where its server was told none, are guesses"
        )
    return capabilities


def _chat(name: str, entry: Mapping[str, Any], told: Arguments, report: ImportReport) -> dict[str, Any]:
    defaults = entry.get("generation_defaults")
    given = defaults if isinstance(defaults, dict) else {}
    window, output = _tokens(given.get("context_window")), _tokens(given.get("max_tokens"))
    context = min(filter(None, (window, told.context_tokens)), default=_CONTEXT)
    if window:
        words = "is capabilities.chat.context_tokens"
        if window == context:
            report.mapped(name, "generation_defaults.context_window", words)
        else:
            told_words = f"{window} {words} {context}: its server was started for no more"
            report.changed(name, "generation_defaults.context_window", told_words)
    elif not told.context_tokens:
        report.changed(
            name, "generation_defaults.context_window", f"is not said; {context} tokens are a guess"
        )
    report.changed(
        name, "capabilities", "structured_output: true is a guess, which `python -m backends probe` tries"
    )
    return {
        "context_tokens": context,
        "max_output_tokens": min(output or min(_OUTPUT, max(1, context // 2)), context),
        "structured_output": True,
    }


def defaults_of(
    name: str, entry: Mapping[str, Any], capabilities: Mapping[str, Any], report: ImportReport
) -> dict[str, Any]:
    """The parameters that an entry's model is asked with where nobody says otherwise, by their canonical names."""
    given = entry.get("generation_defaults")
    if not isinstance(given, dict):
        return {}
    made: dict[str, Any] = {}
    for old, value in given.items():
        field = f"generation_defaults.{old}"
        if old == "context_window" or value in (None, [], ""):
            continue
        ours = _DEFAULTS.get(old) or str(old)
        problem = problem_with(ours, value)
        most = capabilities["chat"]["max_output_tokens"]
        if problem is not None:
            report.dropped(name, field, f"is not carried: {ours} {problem}")
        elif ours == "max_output_tokens" and value > most:
            made[ours] = most
            report.changed(
                name, field, f"{value} is parameters.defaults.{ours} {most}: no more fits the context"
            )
        else:
            made[ours] = value
            report.mapped(name, field, f"is parameters.defaults.{ours}")
    return made


def roles_of(name: str, entry: Mapping[str, Any], report: ImportReport) -> dict[str, float]:
    """Our roles that an entry's model may be given, each with its old priority; 0 where it had none."""
    listed = entry.get("roles")
    priorities = entry.get("role_priority")
    by_role = priorities if isinstance(priorities, dict) else {}
    made: dict[str, float] = {}
    old_roles = [str(one) for one in listed] if isinstance(listed, list) else []
    for old in old_roles:
        ours = _ROLES.get(old, ())
        if not ours:
            report.dropped(name, f"roles.{old}", _NOT_USED)
            continue
        (report.mapped if ours == (old,) else report.changed)(
            name, f"roles.{old}", f"is {' and '.join(ours)}"
        )
        for role in ours:
            priority = by_role.get(old)
            rank = float(priority) if isinstance(priority, int | float) else 0.0
            made[role] = max(rank, made.get(role, rank))
    for old in by_role:
        if old in old_roles and old in _ROLES:
            report.changed(
                name, f"role_priority.{old}", "decides who has the role; the highest one has it: see roles"
            )
        else:
            report.dropped(name, f"role_priority.{old}", "the model has no such role here")
    return made


def _tokens(value: Any) -> int | None:
    whole = isinstance(value, int) and not isinstance(value, bool)
    return value if whole and 1 <= value <= _MOST_TOKENS else None
