"""A proposal as the text of a `registry.yaml`, with comments that say what was learned and what is a guess."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from registry.discovery.proposing import Entry, Proposal
    from registry.discovery.servers import FoundDevice

_PLAIN: Final = re.compile(r"[a-z][a-z0-9._-]*")
_WORDS_OF_YAML: Final = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n"})
_SHOWN: Final = 240


def yaml_of(proposal: Proposal) -> str:
    """The proposal; the registry takes it as it stands, also where nothing is new.

    What servers say is quoted, so that it is a name and nothing else, whatever it holds.
    """
    return "".join(f"{line}\n" for line in _lines(proposal))


def _lines(proposal: Proposal) -> Iterator[str]:
    for words in (*proposal.servers, *proposal.known):
        yield _comment(words, "")
    if not proposal.entries:
        yield "# Nothing here is new to the registry."
        return
    yield "# Add what you want of this to registry.yaml, then: python -m registry validate; python -m backends probe"
    if proposal.devices:
        yield "devices:"
        for name, device in sorted(proposal.devices.items()):
            yield f"  {_quoted(name)}: {_flow(_declared(device))}"
    yield "models:"
    for entry in proposal.entries:
        yield from _entry(entry)


def _entry(entry: Entry) -> Iterator[str]:
    yield f"  {_quoted(entry.name)}:"
    for note in entry.notes:
        yield _comment(note, "    ")
    within = False
    for field, said in entry.fields.items():
        indent, name = "    ", field
        if field.startswith("capabilities."):
            if not within:
                yield "    capabilities:"
                within = True
            indent, name = "      ", field.removeprefix("capabilities.")
        if said.why:
            yield _comment(said.why, indent)
        if name == "deployments":
            yield f"{indent}deployments:"
            for deployment in said.value:
                yield f"{indent}  - {_flow(deployment)}"
        else:
            yield f"{indent}{name}: {_flow(said.value)}"


def _declared(device: FoundDevice) -> dict[str, Any]:
    told = {
        "kind": device.kind,
        "memory_mib": device.memory_mib,
        "uuid": device.uuid,
        "mig_profile": device.mig_profile,
    }
    return {name: value for name, value in told.items() if value is not None}


def _flow(value: Any) -> str:
    if isinstance(value, dict):
        return f"{{{', '.join(f'{name}: {_flow(inner)}' for name, inner in value.items())}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(_flow, value))}]"
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int) else _quoted(value)


def _quoted(text: str) -> str:
    if _PLAIN.fullmatch(text) and text not in _WORDS_OF_YAML:
        return text
    letters = (
        letter if " " <= letter <= "~" and letter not in '"\\' else f"\\U{ord(letter):08x}" for letter in text
    )
    return f'"{"".join(letters)}"'


def _comment(words: str, indent: str) -> str:
    shown = "".join(letter if letter.isprintable() else "?" for letter in words)
    return f"{indent}# {shown if len(shown) <= _SHOWN else f'{shown[: _SHOWN - 1]}…'}"
