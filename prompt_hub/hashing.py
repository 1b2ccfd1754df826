"""Digests of what a prompt means: SHA-256 over RFC 8785 canonical JSON, so that formatting and order mean nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from registry.digests import digest

if TYPE_CHECKING:
    from collections.abc import Mapping

SHOWN_DIGITS = 12


def stage_digest(stage: Mapping[str, Any]) -> str:
    """`stage_hash`: what an effective profile stage says and asks for.

    Descriptions of variables are for the people who fill them and reach no model, so they are left out: to
    explain a variable better makes no result stale. The stage's name and its profile's are left out too, so a
    copied stage asks the same question under the same hash.

    Args:
        stage: The stage in JSON form.
    """
    variables = {
        name: {key: value for key, value in declaration.items() if key != "description"}
        for name, declaration in stage["variables"].items()
    }
    return digest({**stage, "variables": variables})


def profile_digest(profile: Mapping[str, Any]) -> str:
    """`profile_hash`: the whole effective profile, its descriptions too, but not which profile it was made from.

    Args:
        profile: The profile in JSON form.
    """
    return digest({key: value for key, value in profile.items() if key != "extends"})


def hub_digest(profile_hashes: Mapping[str, str]) -> str:
    """`prompt_hub_version`: all effective profiles together, by id."""
    return digest(dict(profile_hashes))


def short(full: str) -> str:
    """The first digits of a digest, for people; always store all of them."""
    return full[:SHOWN_DIGITS]
