"""The search for a better prompt: GEPA chooses what to change, this chooses what may be asked.

Agrawal et al., GEPA: Reflective Prompt Evolution Can Outperform Reinforcement Learning, arXiv:2507.19457.

The optimizer sees the examples to learn from alone. Candidates that break the stage's contract are refused before any
model is asked with them, and the reason goes into the next reflection. GEPA's own files (pickles) are not used.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from prompt_hub.errors import BudgetTooSmall, OptimizerMissing
from prompt_hub.improving.budget import BudgetSpent
from prompt_hub.improving.few_shot import with_demonstrations
from prompt_hub.improving.reflection import reflection_question
from prompt_hub.rendering import render
from prompt_hub.testing.asking import Question
from registry.digests import digest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from prompt_hub.improving.budget import Budget
    from prompt_hub.improving.candidates import Candidate, Subject
    from prompt_hub.improving.examples import Example
    from prompt_hub.improving.metrics import Metric
    from prompt_hub.testing.asking import Told
    from registry.schema import Model

TRIES: Final = 3
"""How often a text is asked for again whose candidate was refused."""

_REASONS: Final = 5
_IDLE: Final = 20
_SHOWN_TEXT: Final = 2000


@dataclass(frozen=True)
class Plan:
    """What is searched with.

    Attributes:
        subject: The stage.
        metric: What is better.
        train: Examples to learn from.
        held_out: Examples that the optimizer never sees.
        model: Is asked the stage's question.
        reflection_model: Writes texts anew.
        seed: Decides what chance decides.
        few_shot: How many demonstrations to try; none if 0.
        minibatch: How many examples a new text is tried on first.
    """

    subject: Subject
    metric: Metric
    train: tuple[Example, ...]
    held_out: tuple[Example, ...]
    model: Model
    reflection_model: Model
    seed: int
    few_shot: int = 0
    minibatch: int = 3


@dataclass(frozen=True)
class Tried:
    """A candidate that was measured on all examples to learn from.

    Attributes:
        texts: Its texts.
        parent: The candidate it was made from, by its place; None for the first.
        score: How good it is, 0 to 1.
        origin: `parent`, `few-shot` or `reflection`.
    """

    texts: Candidate
    parent: int | None
    score: float
    origin: str


@dataclass
class Found:
    """What the search has found so far.

    Attributes:
        tried: Candidates that were measured; the first is the prompt as it was.
        refused: Field and reason of each text that could not be used.
        held_out: Scores of the first and of the best on the held-out examples; None until they are known.
        reflections: How often a text was asked for.
        ended: Why it ended.
    """

    tried: list[Tried] = field(default_factory=list)
    refused: list[tuple[str, str]] = field(default_factory=list)
    held_out: tuple[float, float] | None = None
    reflections: int = 0
    ended: str = "interrupted"

    @property
    def best(self) -> Tried | None:
        """The best candidate, the earliest of equals; None where none was measured."""
        return max(self.tried, key=lambda one: one.score) if self.tried else None


def search(plan: Plan, budget: Budget, found: Found, *, note: Callable[[str], None] = lambda _: None) -> None:
    """Look for a better prompt, and write into `found` what is found; it holds what is known whatever interrupts.

    Args:
        plan: What is searched with.
        budget: Asks.
        found: Filled while the search goes on.
        note: Told a sentence about each step.

    Raises:
        OptimizerMissing: GEPA is not installed.
        BudgetTooSmall: It does not even measure the prompt as it is.
    """
    try:
        from gepa import api  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise OptimizerMissing(
            "The optimizer gepa is not installed. Install it with: pip install 'imageworks-dagster[optimize]'"
        ) from error
    needed = len(plan.train) + 2 * len(plan.held_out)
    if budget.limit < needed:
        raise BudgetTooSmall(
            f"A budget of {budget.limit} requests is too small: to measure the prompt as it is takes "
            f"{len(plan.train)} on the examples to learn from and twice {len(plan.held_out)} on those held out. "
            f"Allow more than {needed}."
        )
    searching = _Searching(plan, budget, found, note)
    # Its types name classes of its own, which cannot be loaded with this module.
    optimize: Any = api.optimize
    before = searching.held_out_score(plan.subject.seed)
    # The best is measured on what was held out whatever the search has spent.
    budget.reserved = len(plan.held_out)
    try:
        searching.measured(dict(plan.subject.seed), None, "parent")
        start = searching.start()
        optimize(
            seed_candidate=start,
            trainset=list(plan.train),
            valset=list(plan.train),
            adapter=searching,
            reflection_minibatch_size=min(plan.minibatch, len(plan.train)),
            stop_callbacks=[searching.is_done],
            candidate_selection_strategy="pareto",
            module_selector="round_robin",
            logger=_Silent(),
            track_best_outputs=False,
            skip_perfect_score=False,
            seed=plan.seed,
            raise_on_exception=True,
        )
        if searching.stopped is not None:
            raise searching.stopped
        found.ended = "nothing is left to improve" if searching.is_perfect else "nothing new is proposed"
    except BudgetSpent:
        found.ended = "the budget is spent"
    budget.reserved = 0
    best = found.best
    if best is not None:
        found.held_out = (before, searching.held_out_score(best.texts))


class _Silent:
    def log(self, message: str) -> None:
        """Nothing: what happens is told by `note`."""


class _Searching:
    """GEPA's adapter: evaluates candidates, and proposes texts that may be asked with."""

    def __init__(self, plan: Plan, budget: Budget, found: Found, note: Callable[[str], None]) -> None:
        self._plan = plan
        self._budget = budget
        self._found = found
        self._note = note
        self._answers: dict[tuple[str, int], Told] = {}
        self._parents: dict[str, str] = {}
        self._idle = 0
        self.stopped: Exception | None = None

    @property
    def is_perfect(self) -> bool:
        """Whether the best has every point there is."""
        best = self._found.best
        return best is not None and best.score >= 1 - 1e-9

    def is_done(self, state: Any) -> bool:
        """Whether to stop: nothing left to gain, nothing left to ask with, or no text that could be used for long."""
        del state
        return self.is_perfect or self.stopped is not None or self._idle >= _IDLE

    def start(self) -> Candidate:
        """The prompt as it is, or with demonstrations where those make it better."""
        plan = self._plan
        if plan.few_shot:
            answers = self._asked(plan.subject.seed, plan.train)
            scores = plan.metric.scores(plan.train, answers)
            shown = with_demonstrations(plan.subject, plan.train, answers, scores, plan.few_shot)
            problem = plan.subject.problem(shown)
            if problem is not None:
                self._refuse("few-shot", problem)
            else:
                self.measured(shown, 0, "few-shot")
        best = self._found.best
        return dict(best.texts if best is not None else plan.subject.seed)

    def measured(self, candidate: Candidate, parent: int | None, origin: str) -> float:
        """How good a candidate is on all examples to learn from."""
        plan = self._plan
        score = plan.metric.score(plan.train, self._asked(candidate, plan.train))
        if all(one.texts != candidate for one in self._found.tried):
            self._found.tried.append(Tried(dict(candidate), parent, score, origin))
            self._note(f"candidate {len(self._found.tried) - 1}: {score:.3f}")
        return score

    def held_out_score(self, candidate: Mapping[str, str]) -> float:
        """How good a candidate is on the examples that the optimizer never sees."""
        plan = self._plan
        return plan.metric.score(plan.held_out, self._asked(candidate, plan.held_out))

    def evaluate(self, batch: list[Example], candidate: Candidate, capture_traces: bool = False) -> Any:
        """GEPA's: answers and scores of a candidate on some examples."""
        from gepa.core.adapter import EvaluationBatch  # noqa: PLC0415 - an extra

        del capture_traces
        answers = self._asked(candidate, batch)
        scores = self._plan.metric.scores(batch, answers)
        if len(batch) == len(self._plan.train):
            self.measured(candidate, self._place(self._parents.get(digest(candidate))), "reflection")
        traces = list(zip(batch, answers, scores, strict=True))
        return EvaluationBatch(outputs=answers, scores=scores, trajectories=traces)

    def make_reflective_dataset(
        self, candidate: Candidate, eval_batch: Any, components_to_update: list[str]
    ) -> dict[str, list[dict[str, Any]]]:
        """GEPA's: what a reflection is shown."""
        del candidate
        records = [_record(*trace) for trace in eval_batch.trajectories]
        return dict.fromkeys(components_to_update, records)

    def propose_new_texts(
        self,
        candidate: Candidate,
        reflective_dataset: Mapping[str, Sequence[Mapping[str, Any]]],
        components_to_update: list[str],
    ) -> dict[str, str]:
        """GEPA's: new texts, or the old ones where none could be used."""
        made: dict[str, str] = {}
        for name in components_to_update:
            try:
                text = self._better_text(candidate, name, reflective_dataset[name])
            except Exception as error:
                # GEPA takes it for a bad proposal and would go on without end.
                self.stopped = self.stopped or error
                raise
            if text is not None:
                made[name] = text
                self._parents[digest({**candidate, **made})] = digest(candidate)
        self._idle = 0 if made else self._idle + 1
        return {name: made.get(name, candidate[name]) for name in components_to_update}

    def _better_text(
        self, candidate: Candidate, name: str, records: Sequence[Mapping[str, Any]]
    ) -> str | None:
        plan, found = self._plan, self._found
        if self.stopped is not None:
            raise self.stopped
        for _ in range(TRIES):
            reasons = [reason for field, reason in found.refused if field == name][-_REASONS:]
            sample = plan.seed * 10_000 + found.reflections
            question = reflection_question(
                plan.reflection_model, name, candidate[name], records, reasons, sample=sample
            )
            found.reflections += 1
            (told,) = self._budget.ask([question])
            if told.failure is not None or not isinstance(told.data, dict):
                self._note(f"{name}: {plan.reflection_model.name} proposed nothing: {told.failure}")
                continue
            text = str(told.data.get("text", "")).strip()
            if text == candidate[name]:
                continue
            problem = plan.subject.problem({**candidate, name: text})
            if problem is None:
                return text
            self._refuse(name, problem)
        return None

    def _refuse(self, name: str, problem: str) -> None:
        self._found.refused.append((name, problem))
        self._note(f"{name}: refused: {problem}")

    def _place(self, parent: str | None) -> int | None:
        places = {digest(one.texts): index for index, one in enumerate(self._found.tried)}
        return None if parent is None else places.get(parent)

    def _asked(self, candidate: Mapping[str, str], examples: Sequence[Example]) -> list[Told]:
        """The answers; nothing is asked twice."""
        plan, key = self._plan, digest(dict(candidate))
        missing = [example for example in examples if (key, example.number) not in self._answers]
        if missing:
            profile = plan.subject.applied(candidate)
            questions = [
                Question(
                    plan.model,
                    render(profile, plan.subject.stage, example.values),
                    () if example.photo is None else (example.photo,),
                )
                for example in missing
            ]
            for example, told in zip(missing, self._budget.ask(questions), strict=True):
                self._answers[key, example.number] = told
        return [self._answers[key, example.number] for example in examples]


def _record(example: Example, told: Told, score: float) -> dict[str, Any]:
    """What a reflection is shown of one example: the person's word beside the model's."""
    person = {"score": example.score, "keywords": example.keywords}
    return {
        "given": {name: _cut(value) for name, value in example.values.items()},
        "answer": told.text[:_SHOWN_TEXT] if told.failure is None else f"no answer: {told.failure}",
        "a person said": {name: value for name, value in person.items() if value is not None},
        "points, 0 to 1": round(score, 3),
    }


def _cut(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text[:_SHOWN_TEXT]
