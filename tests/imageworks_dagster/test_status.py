"""What `imageworks status` says needs looking at."""

import pytest
from at_terminal import imageworks

from store.batches import pin


@pytest.mark.parametrize(("pipeline", "option"), [("judge", ""), ("tagger", " --pipeline tagger")])
def test_a_batch_whose_folder_is_gone_is_told_and_how_to_close_it(platform, tmp_path, pipeline, option):
    home, name = platform.settings.home, platform.register(pipeline, tmp_path / "April")

    out = imageworks(home, "status").out

    assert "its folder is gone, or cannot be reached, and nothing runs this batch by itself" in out
    assert f"close the batch with: imageworks publish {name}{option}\n" in out
    imageworks(home, "publish", name, *option.split())
    assert "nothing runs" not in imageworks(home, "status").out


def test_what_a_batch_remembers_is_told_with_the_command_that_leaves_it(platform, tmp_path):
    home, name = platform.settings.home, platform.register("judge", tmp_path / "April")
    assert "remembers --" not in imageworks(home, "status").out

    pin(platform.store.database, "judge", name, "judge/critiques", judges="baseline-judge, qwen2.5-vl-7b")

    out = imageworks(home, "status").out
    assert "remembers --judges 'baseline-judge, qwen2.5-vl-7b'; leave that with: imageworks judge " in out
    assert f"--batch {name} --judges default\n" in out
