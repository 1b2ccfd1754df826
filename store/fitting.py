"""Whether a JSON value fits a schema, asked of a compiled validator.

It says yes to what nearly always fits, at a twentieth of the cost of `jsonschema`, which alone says in words what does
not fit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import jsonschema_rs

Fits = Callable[[Any], bool]


def compiled(schema: Mapping[str, Any]) -> Fits | None:
    """A function that says whether a value fits, as JSON Schema 2020-12 has it.

    Args:
        schema: A right JSON Schema. Nothing is fetched for what it refers to.

    Returns:
        None where the schema cannot be compiled, such as for a pattern that Rust's regular expressions do not know.
    """
    try:
        # Patterns in time that grows with the text and no faster.
        patterns = jsonschema_rs.RegexOptions()
        return jsonschema_rs.Draft202012Validator(
            dict(schema), offline=True, pattern_options=patterns
        ).is_valid
    except (jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError):
        return None
