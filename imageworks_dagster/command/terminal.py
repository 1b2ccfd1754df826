"""Live progress and plain lines in the terminal; everything fits 80 columns."""

from __future__ import annotations

from contextlib import contextmanager
from textwrap import fill
from typing import TYPE_CHECKING, Final

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from imageworks.counting import counted
from prompt_hub.hashing import short

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType
    from typing import Self

    from rich.console import RenderableType

    from telemetry.manifest import RunManifest

WIDTH = 78
INDENT = "    "

console = Console()
errors = Console(stderr=True)


SHORT_S = 1.0
"""A stage that took less found nearly all of it known; done a second says nothing then."""


PLAYOFF: Final = "judge/playoff"
"""The stage that has a row a question, two for each pair."""


class RateColumn(ProgressColumn):
    """Done a second."""

    def render(self, task: Task) -> Text:
        """``3.2/s``, or nothing where there is no rate worth the name."""
        seconds = task.elapsed or 0.0
        if seconds < SHORT_S or not task.completed:
            return Text("")
        return Text(f"{task.completed / seconds:.1f}/s", style="cyan")


class SignColumn(SpinnerColumn):
    """Turns while a stage is under way."""

    def render(self, task: Task) -> RenderableType:
        """The spinner, nothing for a stage that is done, a cross for one that was stopped."""
        stopped = task.stop_time is not None and not task.finished
        return Text("✗", style="red") if stopped else super().render(task)


class LeftColumn(TimeRemainingColumn):
    """How long a stage that is under way still needs."""

    max_refresh = 0.0  # Rich would show the last text for a while after the end.

    def render(self, task: Task) -> Text:
        """``left 0:01:28``, or nothing once the stage has ended."""
        return Text("") if task.stop_time is not None else Text("left ").append(super().render(task))


class TerminalProgress:
    """A live line for each stage of a run: done, rate, time left, failures."""

    def __init__(self, console: Console) -> None:
        self._progress = Progress(
            SignColumn(),
            TextColumn("{task.description:<20}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            RateColumn(),
            TimeElapsedColumn(),
            LeftColumn(),
            TextColumn("{task.fields[failures]}", style="red"),
            console=console,
            transient=False,
        )
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._progress.stop()

    def started(self, stage: str, total: int) -> None:
        """Show the stage's line, or its new total."""
        if stage in self._tasks:
            self._progress.update(self._tasks[stage], total=total)
        else:
            self._tasks[stage] = self._progress.add_task(stage, total=total, failures="")

    def advanced(self, stage: str, done: int, failed: int) -> None:
        """Move the stage's line on."""
        failures = f"{failed} failed" if failed else ""
        self._progress.update(self._tasks[stage], completed=done, failures=failures)

    def finished(self, stage: str) -> None:
        """Complete the stage's line: what was done was all there was to do."""
        if stage in self._tasks:
            task = self._progress.tasks[self._tasks[stage]]
            self._progress.update(task.id, total=task.completed)
            self._progress.stop_task(task.id)

    def stopped(self, stage: str) -> None:
        """Leave the stage's line where it is, and say that it goes no further."""
        if stage in self._tasks:
            task = self._progress.tasks[self._tasks[stage]]
            said = ", ".join(filter(None, [task.fields["failures"], "stopped"]))
            self._progress.update(task.id, failures=said)
            self._progress.stop_task(task.id)


def say(console: Console, text: str, *, style: str | None = None) -> None:
    """Print text as it is: brackets in names are no markup, and no path or command is broken over two lines."""
    console.print(text, style=style, markup=False, highlight=False, soft_wrap=True)


def indented(text: str) -> str:
    """Text in lines that fit, below what it is about."""
    return fill(
        text,
        WIDTH,
        initial_indent=INDENT,
        subsequent_indent=INDENT,
        break_long_words=False,
        break_on_hyphens=False,
    )


def run_lines(manifest: RunManifest) -> Iterator[str]:
    """What each stage of a run did: a line a stage, and below it what stayed without a result, and why."""
    yield f"{manifest.pipeline} · {manifest.batch}"
    yield _columns("stage", "rows", "asked", "recalled", "seconds")
    for asset, stage in manifest.stages.items():
        asks = asset in manifest.models
        asked, recalled = (str(stage.asked), str(stage.recalled)) if asks else ("", "")
        yield _columns(asset, str(stage.entries), asked, recalled, f"{stage.seconds:.1f}")
        if stage.failed:
            reasons = ", ".join(f"{count} {error_class}" for error_class, count in stage.failed.items())
            yield indented(f"{stage.entries - stage.ok} without a result: {reasons}")
        if asset == PLAYOFF and stage.entries:
            pairs = counted(stage.entries // 2, "pair")
            yield indented(f"{pairs}, each compared in both orders: {stage.entries} questions")
        if stage.dropped_events:
            yield indented(f"{stage.dropped_events} telemetry events could not be written: look at the disk")
        if stage.unsynced_events:
            yield indented(
                f"{stage.unsynced_events} telemetry events may not outlive a power cut: look at the disk"
            )
        if stage.telemetry_failing:
            yield indented("telemetry is failing: events are lost until its disk is mended")


def _columns(stage: str, *numbers: str) -> str:
    return f"{stage:<20}{''.join(f'{number:>10}' for number in numbers)}".rstrip()


def asked_line(manifest: RunManifest) -> str:
    """One sentence on what was asked of which models."""
    asked = sum(stage.asked for stage in manifest.stages.values())
    recalled = sum(stage.recalled for stage in manifest.stages.values())
    several = (judge.model for judges in manifest.judges.values() for judge in judges)
    models = ", ".join(sorted({model.model for model in (*manifest.models.values(), *several)}))
    if not models:
        return "This run asks no model."
    if asked == recalled == 0:
        # A stage that failed on the way has no numbers; what it asked is in the events.
        ended = manifest.models.keys() <= manifest.stages.keys()
        return "There was nothing to ask a model." if ended else "No stage that asks a model came to its end."
    if asked == 0:
        kept = f"all {recalled} answers" if recalled > 1 else "the one answer"
        return f"No model was asked: {kept} of {models} {'were' if recalled > 1 else 'was'} kept from before."
    kept = f", {counted(recalled, 'answer')} kept from before" if recalled else ""
    return f"{models}: {counted(asked, 'request')} asked{kept}."


def prompt_lines(manifest: RunManifest) -> Iterator[str]:
    """Which prompts a run asked with, by hash, and at which stages where not all have the same.

    Of a stage that was answered by rule nothing is said: it reads no prompt.
    """
    stages: dict[str, list[str]] = {}
    for asset, pinned in manifest.profiles.items():
        model = manifest.models.get(asset)
        if model is not None and all(one.get("provider") == EMBEDDED for one in model.deployments):
            continue
        named = " and ".join(
            f"{share.percent} % {_revision(share.reference, share.profile_id, share.profile_hash)}"
            for share in pinned.shares
        ) or _revision(pinned.reference, pinned.profile_id, pinned.profile_hash)
        stages.setdefault(named, []).append(pinned.profile_stage)
    for named, asked in stages.items():
        at = f" for {', '.join(dict.fromkeys(asked))}" if len(stages) > 1 else ""
        yield f"Prompt{at}: {named}."


EMBEDDED: Final = "embedded"
"""The provider of functions of our own."""


def _revision(reference: str, profile_id: str, profile_hash: str) -> str:
    named = f"{profile_id}@{short(profile_hash)}"
    return named if reference in ("", named) else f"{reference}, which is {named}"


@contextmanager
def answers_progress(console: Console) -> Iterator[Callable[[int, int, int], None]]:
    """Shows how many answers there are outside of a run; for stderr, so that a report may go to stdout."""
    with TerminalProgress(console) as shown:
        name = "answers"

        def told(done: int, total: int, wrong: int) -> None:
            if done == 0:
                shown.started(name, total)
            else:
                shown.advanced(name, done, wrong)

        yield told
        shown.finished(name)


def hanging(line: str) -> str:
    """A line that may be long, in lines that fit; those after the first stand further in."""
    text = line.lstrip(" ")
    start = " " * (len(line) - len(text))
    return fill(
        text,
        WIDTH,
        initial_indent=start,
        subsequent_indent=f"{start}{INDENT}",
        break_long_words=False,
        break_on_hyphens=False,
    )
