"""Commands about what a change does: `diff reached`."""

import json
from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from prompt_hub.comparing import FieldDifference, Said, Side, differing_stages, field_differences
from prompt_hub.comparing_rendered import Fixture, RenderedPair, fixtures_of, rendered_pairs
from prompt_hub.comparison_words import field_lines
from prompt_hub.errors import RenderError, UnknownLabel
from prompt_hub.hashing import short
from prompt_hub.hub import PromptHub
from prompt_hub.named import home_of, hub_of, named
from prompt_hub.reach import Reached, extended_by
from prompt_hub.reach import reached as reached_between
from prompt_hub.revision_commands import HomeOption, ReferenceArgument, opened
from prompt_hub.schema import PromptProfile
from prompt_hub.showing import show
from prompt_hub.testing.case_files import load_case_sets
from prompt_hub.testing.reports.printable import line, printable
from store.yaml_reading import read_yaml

_SHIPPED = "shipped"


class ComparisonForm(StrEnum):
    """How to write a comparison."""

    TEXT = "text"
    JSON = "json"


FormOption = Annotated[ComparisonForm, typer.Option("--format", help="text or json.")]


def add_commands(app: typer.Typer) -> None:
    """Put the commands into a command line."""
    for command in (diff, reached):
        app.command()(command)


def diff(
    first: ReferenceArgument,
    second: ReferenceArgument,
    *,
    rendered: Annotated[
        bool, typer.Option("--rendered", help="Also what both would say to a model, with the tests' values.")
    ] = False,
    variables: Annotated[
        Path | None, typer.Option("--vars", help="YAML or JSON file with values to render --stage with.")
    ] = None,
    stage: Annotated[str | None, typer.Option("--stage", help="Only this profile stage.")] = None,
    form: FormOption = ComparisonForm.TEXT,
    home: HomeOption = None,
) -> None:
    """What two effective profiles say differently, where each says it, and which stages ask something else."""
    if variables is not None and stage is None:
        raise typer.BadParameter("--vars has the values of one stage: name it with --stage")
    before, after = _side(first, home), _side(second, home)
    names = (first, second)
    fields = [one for one in field_differences(before, after) if stage in (None, one.stage)]
    stages = [one for one in differing_stages(before.profile, after.profile) if stage in (None, one[0])]
    pairs = None
    if rendered or variables is not None:
        fixtures = _fixtures(before, after, variables, stage, home)
        pairs = rendered_pairs(before.profile, after.profile, fixtures)
    children = extended_by(after.profile.id, hub_of(home).profiles)
    if form is ComparisonForm.JSON:
        said: dict[str, Any] = {
            "before": _side_json(before),
            "after": _side_json(after),
            "fields": [_field_json(one, names) for one in fields],
            "stages": [dict(zip(("stage", "before", "after"), one, strict=True)) for one in stages],
            "extended_by": children,
        }
        if pairs is not None:
            said["rendered"] = [_pair_json(pair, names) for pair in pairs]
        _print_json(said)
        return
    for text in (*field_lines(fields, names), *_pair_lines(pairs, names)):
        typer.echo(text)
    for name, old, new in stages:
        typer.echo(f"{name}: stage_hash {short(old) or '(none)'} -> {short(new) or '(none)'}")
    if not stages:
        typer.echo("Every stage asks the same.")
    elif children:
        typer.echo(
            f"{after.profile.id} is extended by {', '.join(children)}; `python -m prompt_hub reached FILE` says what "
            f"an edit of its files changes there."
        )


def reached(
    files: Annotated[
        list[Path] | None, typer.Argument(help="Files to try, above what the home folder holds.")
    ] = None,
    *,
    since: Annotated[
        str | None,
        typer.Option(
            help="What to compare with: shipped, or a label such as production. The home folder without the files if "
            "not given; shipped where there are none."
        ),
    ] = None,
    form: FormOption = ComparisonForm.TEXT,
    home: HomeOption = None,
) -> None:
    """Which profiles and stages a change of files reaches, from hash to hash."""
    tried = files or []
    after = hub_of(home, tried)
    since = since or ("" if tried else _SHIPPED)
    before, unlabelled = _before(since, after, home)
    found = reached_between(before, after.profiles)
    if form is ComparisonForm.JSON:
        _print_json(
            {
                "since": since or "files",
                "files": [str(file) for file in tried],
                "profiles": [_reached_json(one) for one in found],
                "without_label": unlabelled,
            }
        )
        return
    if unlabelled:
        typer.echo(f"Without a label {since}, and not compared: {', '.join(unlabelled)}.")
    if not found:
        typer.echo("No profile is reached: every hash is what it was.")
        return
    show(["profile", "stage", "before", "after", "extends"], _reached_rows(found))
    stages = sum(len(one.stages) for one in found)
    typer.echo(f"Profiles reached: {len(found)}; stages of theirs that ask something else: {stages}.")


def _side(reference: str, home: Path | None) -> Side:
    found = named(reference, home)
    return Side(reference, found.profile, found.layers)


def _fixtures(
    before: Side, after: Side, variables: Path | None, stage: str | None, home: Path | None
) -> list[Fixture]:
    if variables is not None:
        values = read_yaml(variables)
        if not isinstance(values, dict):
            raise RenderError(f"{variables} must hold a mapping of variables to values.")
        return [Fixture(stage or "", str(variables), values)]
    ids = {before.profile.id, after.profile.id}
    sets = [one for one in load_case_sets(home_of(home).prompts) if one.profile_id in ids]
    return [fixture for fixture in fixtures_of(sets) if stage in (None, fixture.stage)]


def _before(since: str, after: PromptHub, home: Path | None) -> tuple[dict[str, PromptProfile], list[str]]:
    """What is compared with, and the profiles that have no such label."""
    if since in ("", _SHIPPED):
        hub = PromptHub.load(None) if since else hub_of(home)
        return dict(hub.profiles), []
    with opened(home) as (store, _):
        at = {name: store.labels.of(name).get(since) for name in after.profiles}
        if not any(at.values()):
            raise UnknownLabel(f"No profile has a label {since!r}.")
        labelled = {
            name: after.profiles[name] if where is None else store.revisions.get(name, where).profile
            for name, where in at.items()
        }
    return labelled, [name for name, where in at.items() if where is None]


def _pair_lines(pairs: Sequence[RenderedPair] | None, names: tuple[str, str]) -> Iterator[str]:
    if pairs is None:
        return
    same = 0
    for pair in pairs:
        difference = pair.diff(names)
        if difference:
            yield f"\nrendered {pair.fixture.stage}, {line(pair.fixture.name)}\n{printable(difference)}\n"
        else:
            same += 1
    yield f"Rendered with {len(pairs)} sets of values; {same} of them come out the same."


def _reached_rows(found: Iterable[Reached]) -> Iterator[list[str]]:
    for one in found:
        yield [one.profile_id, "", _hash(one.before), _hash(one.after), " ".join(one.extends)]
        for stage in one.stages:
            yield ["", stage.stage, _hash(stage.before), _hash(stage.after), ""]


def _hash(full: str) -> str:
    return short(full) or "(none)"


def _side_json(side: Side) -> dict[str, Any]:
    return {
        "reference": side.reference,
        "profile_id": side.profile.id,
        "profile_hash": side.profile.hash,
    }


def _field_json(one: FieldDifference, names: tuple[str, str]) -> dict[str, Any]:
    """A side that does not have the field has no key here, so that null is a value."""
    sides = {"before": one.before, "after": one.after}
    return {
        "field": one.field,
        "stage": one.stage or None,
        "kind": one.kind,
        **{name: _said_json(said) for name, said in sides.items() if said is not None},
        **({"diff": one.diff(names)} if one.is_text else {}),
    }


def _said_json(said: Said) -> dict[str, Any]:
    source = said.source
    return {
        "value": said.value,
        "layer": source and source.layer,
        "file": source and source.file,
        "partials": {name: {"layer": at.layer, "file": at.file} for name, at in said.partials.items()},
    }


def _pair_json(pair: RenderedPair, names: tuple[str, str]) -> dict[str, Any]:
    return {
        "stage": pair.fixture.stage,
        "fixture": pair.fixture.name,
        "before": pair.before,
        "after": pair.after,
        "problems": list(pair.problems),
        "diff": pair.diff(names),
    }


def _reached_json(one: Reached) -> dict[str, Any]:
    return {
        "profile_id": one.profile_id,
        "before": one.before or None,
        "after": one.after or None,
        "extends": list(one.extends),
        "stages": [
            {"stage": stage.stage, "before": stage.before or None, "after": stage.after or None}
            for stage in one.stages
        ],
    }


def _print_json(said: dict[str, Any]) -> None:
    # ASCII, so that no text can steer a terminal.
    typer.echo(json.dumps(said, indent=2))
