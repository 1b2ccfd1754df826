"""The command's lines, as a person reads them."""

import pytest

from imageworks_dagster.command.terminal import asked_line
from telemetry.manifest import PinnedModel, RunManifest, StageSummary


@pytest.mark.parametrize(
    ("asked", "recalled", "line"),
    [
        (1, 0, "tiny: 1 request asked."),
        (2, 1, "tiny: 2 requests asked, 1 answer kept from before."),
        (0, 1, "No model was asked: the one answer of tiny was kept from before."),
        (0, 3, "No model was asked: all 3 answers of tiny were kept from before."),
        (0, 0, "There was nothing to ask a model."),
    ],
)
def test_what_was_asked_is_one_sentence_of_right_grammar(asked, recalled, line):
    manifest = RunManifest(
        run_id="r1",
        pipeline="judge",
        models={"judge/critiques": PinnedModel(model="tiny", model_revision="1")},
        stages={"judge/critiques": StageSummary(asked=asked, recalled=recalled)},
    )

    assert asked_line(manifest) == line
