from __future__ import annotations

import hashlib
import math
from dataclasses import replace

import pytest
import rfc8785
from client_desk import SCHEMA, model_at, picture, request_of
from hypothesis import given
from hypothesis import strategies as st

from backends.errors import InvalidRequest
from backends.output_schemas import canonical_schema
from backends.request import Image, canonical_request, request_digest

VLLM = model_at("http://127.0.0.1:9")
EMBEDDED = model_at(None)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)


def sha(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


@given(
    system=st.text(),
    user=st.text(),
    pictures=st.lists(st.text("0123456789abcdef", min_size=64, max_size=64), max_size=2),
    parameters=st.dictionaries(st.sampled_from(["temperature", "seed", "stop"]), JSON, max_size=3),
    variables=st.dictionaries(
        st.text(st.characters(exclude_categories=["Cs"]), max_size=8), JSON, max_size=3
    ),
    sample=st.integers(0, 9),
    schema=st.sampled_from([None, SCHEMA, {"type": "string"}]),
    model=st.sampled_from([VLLM, EMBEDDED]),
)
def test_the_digest_is_that_of_the_canonical_json_of_the_content(  # noqa: PLR0917 - hypothesis gives them by name
    system, user, pictures, parameters, variables, sample, schema, model
):
    request = request_of(
        model,
        user,
        system=system,
        images=tuple(picture(digest) for digest in pictures),
        parameters=parameters,
        variables=variables,
        sample=sample,
        output_schema=schema,
    )
    content = {
        "version": 1,
        "system": sha(system),
        "user": sha(user),
        "images": pictures,
        "schema": None if schema is None else hashlib.sha256(rfc8785.dumps(schema)).hexdigest(),
        "parameters": parameters,
        "model": model.name,
        "model_revision": model.model_revision,
        "sample": sample,
    }
    if model is EMBEDDED:
        content["variables"] = variables
    assert canonical_request(request) == rfc8785.dumps(content)


def test_labels_and_addresses_are_no_part_of_the_digest():
    here = request_of(VLLM, labels={"run_id": "run-1", "entry_id": "a"})
    there = request_of(model_at("http://127.0.0.1:10"), labels={"run_id": "run-2", "entry_id": "b"})
    assert request_digest(here) == request_digest(there)


@pytest.mark.parametrize(
    "change",
    [
        {"system": "Other."},
        {"user": "Other?"},
        {"images": (picture("b" * 64),)},
        {"parameters": {"temperature": 0.5}},
        {"sample": 1},
        {"output_schema": {"type": "object"}},
        {"output_schema": None},
        {"model": model_at("http://127.0.0.1:9", revision="2")},
        {"model": model_at("http://127.0.0.1:9", name="other")},
    ],
)
def test_every_part_of_the_content_changes_the_digest(change):
    request = request_of(VLLM, images=(picture(),))
    assert request_digest(replace(request, **change)) != request_digest(request)


def test_a_schema_that_was_made_ready_before_is_the_same_schema():
    ready = request_of(VLLM, output_schema=canonical_schema(SCHEMA))
    assert ready.schema == request_of(VLLM, output_schema=SCHEMA).schema
    assert request_digest(ready) == request_digest(request_of(VLLM, output_schema=SCHEMA))


def test_variables_count_only_where_a_function_sees_them():
    assert request_digest(request_of(VLLM, variables={"a": 1})) == request_digest(request_of(VLLM))
    assert request_digest(request_of(EMBEDDED, variables={"a": 1})) != request_digest(request_of(EMBEDDED))


def test_whole_numbers_are_the_same_number_however_they_are_written():
    assert request_digest(request_of(VLLM, parameters={"temperature": 1})) == request_digest(
        request_of(VLLM, parameters={"temperature": 1.0})
    )


@pytest.mark.parametrize("value", [math.nan, math.inf, 2**60, object(), {1: 2}])
def test_what_json_cannot_hold_is_refused_with_the_stage_and_the_entry(value):
    request = request_of(EMBEDDED, variables={"signal": value})
    with pytest.raises(InvalidRequest, match=r"judge/critiques.*club/"):
        request_digest(request)


def test_a_schema_that_json_cannot_hold_is_refused():
    with pytest.raises(InvalidRequest, match="schema"):
        request_of(VLLM, output_schema={"minimum": {1, 2}})


@pytest.mark.parametrize("media_type", ["text/html", 'image/png","x":"', "image/", "IMAGE/PNG\n"])
def test_a_media_type_that_is_no_picture_is_refused(media_type):
    with pytest.raises(InvalidRequest, match="media type"):
        Image(digest="a" * 64, media_type=media_type, load=bytes)
