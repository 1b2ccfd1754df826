"""The profiles of the proxy-orchestrated Personal-Tagger: `personal_tagger_prompts.user.json`.

Its templates are Python's format strings, and a name that nobody gave was rendered empty. It is so here too.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from prompt_hub.contracts import stage_contracts
from prompt_hub.errors import TemplateRefused
from prompt_hub.exchange.carried import Account, Carried, id_of
from prompt_hub.exchange.f_strings import from_f_string
from prompt_hub.exchange.jinja_text import literal
from prompt_hub.exchange.reading import json_of
from prompt_hub.exchange.stages import Declared, Message, stage_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from prompt_hub.exchange.reading import SourceFolder
    from store.yaml_reading import FieldPath

APPLICATION: Final = "personal_tagger"

_STAGES: Final = {"caption_stage": "caption", "keyword_stage": "keywords", "description_stage": "description"}
_FIELDS: Final = {"system", "user_template", "max_new_tokens", "expects_json"}
_KNOWN: Final = {"id", "name", "description", *_STAGES}
_MOST_PROFILES: Final = 100
_MOST_KEYWORDS: Final = 25
"""What the old prompts asked for where they named no number."""

_WANTED: Final = re.compile(r"\b([1-9][0-9]?)\b[^.\n]{0,40}?\b(?:keywords|entries|tags)\b", re.IGNORECASE)

# What the old tagger gave as text is a list now.
_JOINED: Final = '{% if keywords is defined %}{{ keywords | join(", ") }}{% endif %}'
_OTHERWISE: Final = ("keyword_preview", "keywords")


def from_personal_tagger(folder: SourceFolder) -> list[Carried]:
    """The profiles of the file, in its order.

    Raises:
        ImportRefused: The file is another one, or one of its prompts would say something else here.
    """
    source = str(folder.file)
    value = json_of(folder.text(), source)
    listed = value.get("profiles") if isinstance(value, dict) else None
    if not isinstance(listed, list) or not 0 < len(listed) <= _MOST_PROFILES:
        raise Account(source).refused("profiles", f"must be a list of 1 to {_MOST_PROFILES} profiles")
    made = [_profile(source, one, ("profiles", index)) for index, one in enumerate(listed)]
    ids = [one.profile["id"] for one in made]
    for twice in {one for one in ids if ids.count(one) > 1}:
        raise Account(source).refused(
            "profiles", f"has two profiles that would both be called {twice!r}; rename one"
        )
    return made


def _profile(source: str, value: Any, place: FieldPath) -> Carried:
    account = Account(source)
    if not isinstance(value, dict) or not isinstance(value.get("name"), str):
        raise account.refused(place, "is no profile: it has no name")
    stages = {
        ours: _stage(account, ours, value[old], (*place, old))
        for old, ours in _STAGES.items()
        if value.get(old)
    }
    if not stages:
        raise account.refused(place, f"has none of {', '.join(_STAGES)}")
    for old, ours in _STAGES.items():
        if ours not in stages:
            account.lose(
                (*place, old), f"is missing: tagging with this profile is refused at its stage {ours}"
            )
    if "id" in value:
        account.lose(
            (*place, "id"), f"{value['id']} is not carried: a profile is named by its id, made of its name"
        )
    for field in sorted(value.keys() - _KNOWN):
        account.lose((*place, field), "is not known here and is left out")
    description = value.get("description")
    profile = {
        "id": id_of(value["name"]),
        "application": APPLICATION,
        **({"description": description} if isinstance(description, str) and description else {}),
        "stages": stages,
    }
    return Carried(profile, None, tuple(account.losses))


def _stage(account: Account, stage: str, value: Any, place: FieldPath) -> dict[str, Any]:
    if not isinstance(value, dict) or not isinstance(value.get("user_template"), str):
        raise account.refused(place, "is no stage: it has no user_template")
    given: Mapping[str, Any] = stage_contracts()[APPLICATION, stage].given["properties"]
    try:
        user = from_f_string(value["user_template"], {})
    except TemplateRefused as error:
        raise account.refused((*place, "user_template"), str(error)) from error
    for old in _OTHERWISE:
        if f"{{{{ {old} }}}}" in user and "keywords" in given:
            user = user.replace(f"{{{{ {old} }}}}", _JOINED)
            account.lose(
                (*place, "user_template"),
                f"prints {{{old}}}, which is the list keywords here, joined by commas",
            )
    system = value.get("system") or ""
    messages = [
        *([Message("system", literal(str(system)), (*place, "system"))] if system else []),
        Message("user", user, (*place, "user_template")),
    ]
    unknown = dict.fromkeys(re.findall(r"\{\{ ([A-Za-z_][A-Za-z0-9_]*) \}\}", user), Declared(required=False))
    declared = {name: Declared(schema=schema, required=False) for name, schema in given.items()}
    printed = unknown | {name: one for name, one in declared.items() if re.search(rf"\{{\{{ {name}\b", user)}
    for name in unknown.keys() - given.keys():
        account.lose(
            (*place, "user_template"), f"prints {{{name}}}, which nobody gives: it prints nothing, as before"
        )
    content = stage_of(
        account,
        place,
        messages,
        printed,
        output=_answer(account, stage, value, place),
        parameters=_parameters(account, value, place),
        images=1,
    ).content
    # A run gives them all, so a stage that leaves one out is refused.
    for name, schema in given.items():
        content["variables"].setdefault(name, {"schema": dict(schema), "required": False})
    return content


def _answer(account: Account, stage: str, value: Mapping[str, Any], place: FieldPath) -> dict[str, Any]:
    """The answer that the pipeline reads; what people were asked for in words is held to a schema here."""
    field: dict[str, Any] = {"type": "string", "minLength": 1}
    if stage == "keywords":
        wanted = _WANTED.search(value["user_template"])
        most = int(wanted[1]) if wanted else _MOST_KEYWORDS
        said = "as its text says" if wanted else "its text names no number"
        account.lose((*place, "user_template"), f"is asked for at most {most} keywords; {said}")
        field = {
            "type": "array",
            "minItems": 1,
            "maxItems": most,
            "items": {"type": "string", "minLength": 1, "maxLength": 64},
        }
    if value.get("expects_json") is not True:
        account.lose((*place, "expects_json"), f'is not true; every answer is JSON here, {{"{stage}": …}}')
    return {
        "type": "object",
        "additionalProperties": False,
        "required": [stage],
        "properties": {stage: field},
    }


def _parameters(account: Account, value: Mapping[str, Any], place: FieldPath) -> dict[str, Any]:
    for field in sorted(value.keys() - _FIELDS):
        account.lose((*place, field), "is not known here and is left out")
    tokens = value.get("max_new_tokens")
    return {} if tokens is None else {"max_output_tokens": tokens}
