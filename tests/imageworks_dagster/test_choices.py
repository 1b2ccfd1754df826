"""Which profile and which model a run's stages ask with; values to values."""

import pytest

from imageworks.baseline.functions import embedded_revisions
from imageworks_dagster.choices import explicit_pins, resolve_choices
from imageworks_dagster.errors import WrongChoice
from imageworks_dagster.judging.playoff import distinct_judges
from imageworks_dagster.pipelines import JUDGE, TAGGER
from prompt_hub.hub import PromptHub
from prompt_hub.revisions.access import Identity
from prompt_hub.revisions.store import PromptStore
from registry.registry import Registry
from store.database import StateDatabase
from store.settings import Settings

REGISTRY = """
models:
  mine:
    description: A model of one's own.
    aliases: [little-one]
    roles: [caption]
    capabilities:
      chat: {context_tokens: 4096, max_output_tokens: 1024, structured_output: true}
      vision: {max_images: 2, max_long_side: 1024}
    deployments: [{name: here, provider: vllm, base_url: "http://127.0.0.1:9"}]
    revision: "1"
  narrow:
    description: Sees one picture at a time.
    roles: [judge, pairwise]
    capabilities:
      chat: {context_tokens: 4096, max_output_tokens: 1024, structured_output: true}
      vision: {max_images: 1, max_long_side: 1024}
    deployments: [{name: here, provider: vllm, base_url: "http://127.0.0.1:9"}]
    revision: "1"
  marker:
    description: Marks, and compares nothing.
    roles: [judge]
    capabilities:
      chat: {context_tokens: 4096, max_output_tokens: 1024, structured_output: true}
      vision: {max_images: 2, max_long_side: 1024}
    deployments: [{name: here, provider: vllm, base_url: "http://127.0.0.1:9"}]
    revision: "1"
  blind:
    description: Reads, and sees nothing.
    capabilities:
      chat: {context_tokens: 4096, max_output_tokens: 1024, structured_output: true}
    deployments: [{name: here, provider: vllm, base_url: "http://127.0.0.1:9"}]
    revision: "1"
  afar:
    description: Behind a gateway.
    roles: [caption]
    capabilities:
      chat: {context_tokens: 4096, max_output_tokens: 1024, structured_output: true}
      vision: {max_images: 2, max_long_side: 1024}
    deployments: [{name: there, provider: gateway, base_url: "http://127.0.0.1:9"}]
    revision: "1"
"""


@pytest.fixture(scope="module")
def hub():
    return PromptHub.load(None)


@pytest.fixture(scope="module")
def registry(tmp_path_factory):
    file = tmp_path_factory.mktemp("registry") / "registry.yaml"
    file.write_text(REGISTRY, encoding="utf-8")
    return Registry.load(file, embedded=embedded_revisions())


@pytest.fixture(scope="module")
def prompts(tmp_path_factory):
    with StateDatabase.open(Settings(home=tmp_path_factory.mktemp("kept") / "home")) as database:
        yield PromptStore.over(database)


@pytest.fixture
def resolve_with(registry, prompts):
    def with_hub(hub):
        def resolved(pipeline, *, configured=None, pins=None, planned=None):
            return resolve_choices(
                pipeline,
                planned=planned or [stage.asset for stage in pipeline.stages],
                configured=configured or {},
                pins=pins or {},
                hub=hub,
                prompts=prompts,
                registry=registry,
            )

        return resolved

    return with_hub


@pytest.fixture
def resolve(resolve_with, hub):
    return resolve_with(hub)


def test_without_a_choice_every_asking_stage_has_the_default_profile_and_its_roles_model(resolve, registry):
    for pipeline in (JUDGE, TAGGER):
        choices = resolve(pipeline)

        assert list(choices) == [stage.asset for stage in pipeline.asking]
        for stage in pipeline.asking:
            choice = choices[stage.asset]
            assert choice.profile.id == pipeline.default_profile
            assert choice.profile_stage == stage.asks.profile_stage
            assert choice.model.name == registry.roles[stage.asks.role]


def test_what_the_batch_has_pinned_comes_before_the_default(resolve):
    choices = resolve(TAGGER, pins={"tagger/captions": {"profile": "storyteller", "model": "mine"}})

    assert choices["tagger/captions"].profile.id == "storyteller"
    assert choices["tagger/captions"].model.name == "mine"
    assert choices["tagger/keywords"].profile.id == "library"


def test_the_runs_configuration_comes_before_what_is_pinned(resolve):
    choices = resolve(
        TAGGER,
        pins={"tagger/captions": {"profile": "storyteller", "model": "mine"}},
        configured={"tagger/captions": {"profile": "library", "fresh": True}},
    )

    assert choices["tagger/captions"].profile.id == "library"
    assert choices["tagger/captions"].model.name == "mine"


def test_an_empty_choice_is_no_choice(resolve):
    choices = resolve(
        TAGGER,
        pins={"tagger/captions": {"model": "mine"}},
        configured={"tagger/captions": {"profile": "", "model": ""}},
    )

    assert choices["tagger/captions"].model.name == "mine"


@pytest.mark.parametrize("name", ["mine", "little-one"])
def test_a_model_is_chosen_by_name_or_alias_even_for_a_role_it_does_not_list(resolve, name):
    choices = resolve(TAGGER, configured={"tagger/keywords": {"model": name}})

    assert choices["tagger/keywords"].model.name == "mine"


def test_a_model_is_chosen_by_role(resolve, registry):
    choices = resolve(JUDGE, configured={"judge/critiques": {"model": "caption"}})

    assert choices["judge/critiques"].model.name == registry.roles["caption"]


def test_stages_that_are_not_planned_are_not_resolved_and_their_wrong_choices_do_no_harm(resolve):
    choices = resolve(
        TAGGER,
        planned=["tagger/photos", "tagger/captions"],
        configured={"tagger/keywords": {"model": "no-such-model"}},
    )

    assert list(choices) == ["tagger/captions"]


def test_a_wrong_profile_is_told_with_the_right_ones(resolve):
    with pytest.raises(WrongChoice) as wrong:
        resolve(TAGGER, configured={"tagger/captions": {"profile": "libary"}})

    message = str(wrong.value)
    assert message.startswith("tagger/captions: ")
    assert "'libary'" in message
    assert "Profiles for this stage: library, storyteller." in message


def test_a_profile_of_the_other_pipeline_is_a_wrong_one(resolve):
    with pytest.raises(WrongChoice, match=r"'club-judge'.*Profiles for this stage: library, storyteller\."):
        resolve(TAGGER, configured={"tagger/captions": {"profile": "club-judge"}})


def test_a_wrong_model_is_told_with_near_names_and_the_right_ones(resolve):
    with pytest.raises(WrongChoice) as wrong:
        resolve(TAGGER, configured={"tagger/captions": {"model": "qwen2.5-vl-7"}})

    assert "Did you mean qwen2.5-vl-7b" in str(wrong.value)
    assert str(wrong.value).endswith(
        "Models for it: afar, baseline-tagger, gemma3-12b, mine, qwen2.5-vl-7b, qwen2.5-vl-7b-trtllm."
    )


def test_a_model_that_cannot_see_is_refused_for_a_stage_that_shows_pictures(resolve):
    with pytest.raises(WrongChoice, match="blind cannot do vision"):
        resolve(TAGGER, configured={"tagger/captions": {"model": "blind"}})


def test_a_model_that_takes_too_few_pictures_is_refused_where_two_are_compared(resolve):
    one = {"model": "narrow"}
    assert resolve(JUDGE, configured={"judge/critiques": one})["judge/critiques"].model.name == "narrow"
    with pytest.raises(WrongChoice, match="'narrow' has max_images 1, and 2 pictures are shown") as wrong:
        resolve(JUDGE, configured={"judge/playoff": one})

    assert str(wrong.value).endswith(
        "Models for it: baseline-judge, gemma3-12b, qwen2.5-vl-7b, qwen2.5-vl-7b-trtllm."
    )


def test_a_model_behind_a_gateway_may_be_chosen(resolve):
    chosen = resolve(TAGGER, configured={"tagger/captions": {"model": "afar"}})
    assert chosen["tagger/captions"].model.name == "afar"


@pytest.mark.parametrize(
    ("stage", "problem"),
    [
        ("variables: {camera: {schema: {type: string}}}", "needs the variable camera, which is not given"),
        (
            "output: {required: [critique, impact, composition, technique, score], properties: {improvement: null}}",
            "its answer has no field improvement, which is read",
        ),
    ],
)
def test_a_profile_that_does_not_fit_its_stage_is_refused_with_those_that_do(
    resolve_with, tmp_path, stage, problem
):
    ours = f"id: ours\nextends: club-judge\nstages: {{critique: {{{stage}}}}}\n"
    (tmp_path / "ours.yaml").write_text(ours, encoding="utf-8")
    resolve = resolve_with(PromptHub.load(tmp_path))

    with pytest.raises(WrongChoice, match=rf"'ours' cannot be used: .*{problem}") as wrong:
        resolve(JUDGE, configured={"judge/critiques": {"profile": "ours"}})

    assert "Profiles for this stage: club-judge. " in str(wrong.value)
    assert resolve(JUDGE, configured={"judge/playoff": {"profile": "ours"}})


def test_all_wrong_choices_of_a_run_are_told_at_once(resolve):
    with pytest.raises(WrongChoice) as wrong:
        resolve(
            JUDGE,
            configured={"judge/critiques": {"profile": "nobody"}, "judge/playoff": {"model": "nothing"}},
        )

    first, second = str(wrong.value).splitlines()
    assert first.startswith("judge/critiques: ")
    assert second.startswith("judge/playoff: ")


def test_what_is_wrong_of_several_stages_alike_is_told_once(resolve):
    stages = ("tagger/keywords", "tagger/descriptions")
    with pytest.raises(WrongChoice) as wrong:
        resolve(TAGGER, configured={stage: {"profile": "libary"} for stage in stages})
    assert str(wrong.value).startswith("tagger/keywords, tagger/descriptions: ")
    assert str(wrong.value).count("'libary'") == 1


def test_a_label_of_a_profile_that_nobody_knows_names_the_nearest_profiles(resolve):
    with pytest.raises(WrongChoice, match=r"called 'libary'\. Did you mean library\?"):
        resolve(TAGGER, configured={"tagger/captions": {"profile": "libary@production"}})


def test_a_pinned_profile_that_has_gone_is_a_wrong_choice_and_no_silent_default(resolve):
    with pytest.raises(WrongChoice, match="'retired'"):
        resolve(TAGGER, pins={"tagger/captions": {"profile": "retired"}})


def test_a_pin_that_has_gone_is_told_to_be_the_batchs_and_how_to_end_it(resolve):
    with pytest.raises(WrongChoice) as wrong:
        resolve(TAGGER, pins={"tagger/captions": {"model": "retired"}})

    message = str(wrong.value)
    assert "Pinned for this batch by an earlier choice: model 'retired'" in message
    assert "or 'default' to end that" in message


def test_a_wrong_choice_of_the_run_itself_is_not_said_to_be_the_batchs(resolve):
    with pytest.raises(WrongChoice) as wrong:
        resolve(
            TAGGER,
            pins={"tagger/captions": {"model": "mine"}},
            configured={"tagger/captions": {"model": "minne"}},
        )

    assert "Pinned" not in str(wrong.value)


def test_default_is_chosen_over_a_pin(resolve, registry):
    choices = resolve(
        TAGGER,
        pins={"tagger/captions": {"profile": "retired", "model": "retired"}},
        configured={"tagger/captions": {"profile": "default", "model": "default"}},
    )

    assert choices["tagger/captions"].profile.id == "library"
    assert choices["tagger/captions"].model.name == registry.roles["caption"]


def test_default_ends_a_pin():
    pins = explicit_pins(TAGGER, {"tagger/captions": {"profile": "storyteller", "model": "default"}})

    assert pins == {"tagger/captions": {"profile": "storyteller", "model": None}}


def test_only_what_was_chosen_by_name_is_pinned():
    pins = explicit_pins(
        TAGGER,
        {
            "tagger/captions": {"profile": "storyteller", "model": "", "fresh": True},
            "tagger/keywords": {"fresh": True},
            "tagger/metadata": {"action": "apply"},
        },
    )

    assert pins == {"tagger/captions": {"profile": "storyteller"}}


def test_a_kept_revision_is_chosen_by_label_or_hash_and_the_files_by_the_id(
    resolve_with, prompts, hub, tmp_path
):
    shipped = hub.get("club-judge")
    prompts.revisions.keep(shipped, author="ann", message="")
    prompts.labels.move(
        Identity("ann"), "production", prompts.revisions.get("club-judge", shipped.hash), why="Good"
    )
    (tmp_path / "mine.yaml").write_text("id: club-judge\ndescription: Mine.\n", encoding="utf-8")
    resolved = resolve_with(PromptHub.load(tmp_path))

    def chosen(profile):
        choice = resolved(JUDGE, configured={"judge/critiques": {"profile": profile}})["judge/critiques"]
        return choice.profile.hash == shipped.hash, choice.reference

    assert chosen("club-judge@production") == (True, "club-judge@production")
    assert chosen(f"club-judge@{shipped.hash[:12]}") == (True, f"club-judge@{shipped.hash[:12]}")
    assert chosen("club-judge") == (False, "")


@pytest.mark.parametrize(
    ("profile", "words"),
    [
        ("club-judge@nightly", "has no label 'nightly'"),
        ("club-judge@012345abcdef", "No revision 012345abcdef"),
        ("club-judge@", "names no prompt"),
    ],
)
def test_a_reference_to_nothing_is_a_wrong_choice(resolve, profile, words):
    with pytest.raises(WrongChoice, match=words):
        resolve(JUDGE, configured={"judge/critiques": {"profile": profile}})


def judges_of(choice):
    return [judge.text for judge in choice.judges]


@pytest.fixture
def two(resolve, registry):
    """The panel's second model has what both stages ask of it."""
    assert "pairwise" in registry.models["baseline-judge"].roles
    return "baseline-judge, baseline-judge:club-judge"


def test_the_panel_of_a_batch_shares_its_playoff_whether_it_is_pinned_or_chosen_now(resolve, two):
    for given in (
        {"pins": {"judge/critiques": {"judges": two}}},
        {"configured": {"judge/critiques": {"judges": two}}},
    ):
        choices = resolve(JUDGE, **given)
        assert judges_of(choices["judge/playoff"]) == judges_of(choices["judge/critiques"]) == two.split(", ")
        assert choices["judge/playoff"].profile_stage == "pairwise"

    alone = resolve(JUDGE, pins={"judge/critiques": {"judges": two}}, planned=["judge/playoff"])
    assert judges_of(alone["judge/playoff"]) == two.split(", ")


def test_a_model_that_is_chosen_for_the_playoff_judges_it_alone(resolve, two):
    panel = {"judge/critiques": {"judges": two}}
    chosen = {"judge/playoff": {"model": "baseline-judge"}}
    for given in (
        {"pins": {**panel, **chosen}},
        {"pins": panel, "configured": chosen},
        {"configured": {**panel, **chosen}},
    ):
        choices = resolve(JUDGE, **given)
        assert len(judges_of(choices["judge/critiques"])) == 2
        assert judges_of(choices["judge/playoff"]) == []

    ended = resolve(JUDGE, pins={**panel, **chosen}, configured={"judge/playoff": {"model": "default"}})
    assert len(judges_of(ended["judge/playoff"])) == 2


def test_a_panel_that_has_ended_is_asked_in_no_playoff(resolve, two):
    choices = resolve(
        JUDGE,
        pins={"judge/critiques": {"judges": two}},
        configured={"judge/critiques": {"judges": "default"}},
    )
    assert judges_of(choices["judge/playoff"]) == judges_of(choices["judge/critiques"]) == []


def test_a_judge_of_the_panel_who_cannot_compare_is_named_before_any_work(resolve):
    panel = {"judge/critiques": {"judges": "baseline-judge, marker*3"}}
    with pytest.raises(WrongChoice) as refused:
        resolve(JUDGE, configured=panel)
    assert "judge/playoff: judge 'marker' of the panel" in str(refused.value)
    assert "its model 'marker' has not the role 'pairwise'" in str(refused.value)
    assert "--model is the playoff's" in str(refused.value)

    choices = resolve(JUDGE, configured={**panel, "judge/playoff": {"model": "baseline-judge"}})
    assert len(judges_of(choices["judge/critiques"])) == 2


def test_judges_who_would_be_asked_the_same_are_one_in_the_playoff(resolve, two):
    choices = resolve(JUDGE, configured={"judge/critiques": {"judges": two}})
    assert distinct_judges(choices["judge/playoff"]) == ()
    strict = resolve(JUDGE, configured={"judge/critiques": {"judges": "baseline-judge*5"}})
    assert distinct_judges(strict["judge/playoff"]) == ()
