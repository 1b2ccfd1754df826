"""What the pipelines give and read is what the Prompt Hub says of it."""

from __future__ import annotations

from typing import get_args, get_origin, get_type_hints

import pytest

from imageworks.contracts import CONTRACTS
from imageworks.judge_vision.comparing import PairwiseVariables
from imageworks.judge_vision.critiquing import CritiqueVariables
from imageworks.personal_tagger.tagging import CaptionVariables, DescriptionVariables, KeywordsVariables
from prompt_hub.contracts import stage_contracts

GIVEN = {
    "critique": CritiqueVariables,
    "pairwise": PairwiseVariables,
    "caption": CaptionVariables,
    "keywords": KeywordsVariables,
    "description": DescriptionVariables,
}
TYPES = {str: {"type": "string"}, int: {"type": "integer"}}


def schema_of(hint):
    if get_origin(hint) is list:
        return {"type": "array", "items": schema_of(get_args(hint)[0])}
    return TYPES[hint]


def test_the_same_stages_are_spoken_of():
    assert {stage for _, stage in stage_contracts()} == CONTRACTS.keys()


@pytest.mark.parametrize(("application", "stage"), stage_contracts())
def test_a_stage_is_given_and_read_what_its_contract_says(application, stage):
    contract = stage_contracts()[application, stage]
    given = {
        name: {word: said for word, said in schema.items() if word != "description"}
        for name, schema in contract.given["properties"].items()
    }
    assert given == {name: schema_of(hint) for name, hint in get_type_hints(GIVEN[stage]).items()}
    assert sorted(contract.given["required"]) == sorted(given)
    read = CONTRACTS[stage].answer.model_json_schema()["properties"]
    fields = contract.read["properties"]
    assert {name: fields[name]["type"] for name in fields} == {name: read[name]["type"] for name in read}
    assert all(fields[name].get("enum") == read[name].get("enum") for name in fields)
