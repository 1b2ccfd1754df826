from __future__ import annotations

import pytest

from backends.schema_size import parts


@pytest.mark.parametrize(
    ("schema", "count"),
    [
        (True, 1),
        ({"type": "string"}, 2),
        ({"enum": ["a", "b"]}, 4),
        ({"anyOf": [{"$ref": "#/$defs/a~1b"}] * 3, "$defs": {"a/b": {"type": "string"}}}, 14),
        ({"items": {"$ref": "#"}}, 5),
        ({"$ref": "#/not/there"}, 2),
        ({"$ref": "https://example.org/schema.json"}, 2),
        # A field of this name.
        ({"properties": {"$ref": {"type": "string"}}}, 4),
    ],
)
def test_the_parts_of_a_schema_are_counted_where_they_are_referred_to(schema, count):
    assert parts(schema) == count


def test_what_doubles_at_each_level_is_counted_at_once():
    doubling = {f"d{n}": {"anyOf": [{"$ref": f"#/$defs/d{n + 1}"}] * 2} for n in range(64)}
    assert parts({"$ref": "#/$defs/d0", "$defs": {**doubling, "d64": {}}}) > 2**64
