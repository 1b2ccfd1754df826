"""DSPy's side of `bench.optimizing`, in an environment of its own: prints its scores as JSON in the last line."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any


def main(url: str, labels: str, seed: str, budget: str, *held: str) -> None:
    """Optimize, and score what was held out before and after."""
    import dspy  # type: ignore[import-not-found]  # noqa: PLC0415 - not ours

    kept_back = {int(number) for number in held}
    model = dspy.LM("openai/double-vlm", api_base=f"{url}/v1", api_key="none", cache=True, max_tokens=400)
    dspy.configure(lm=model, adapter=dspy.JSONAdapter())
    rows = [json.loads(line) for line in Path(labels).read_text(encoding="utf-8").splitlines()]
    examples = [dspy.Example(**row).with_inputs("signals") for row in rows]
    train = [example for number, example in enumerate(examples) if number not in kept_back]
    held_out = [example for number, example in enumerate(examples) if number in kept_back]
    program = dspy.Predict(dspy.Signature("signals: str -> critique: str, score: int", "Give a mark."))

    def near(example: Any, prediction: Any, trace: Any = None) -> float:
        del trace
        return 1 - float(abs(example.score - prediction.score)) / 20

    def score(program: Any) -> float:
        return sum(near(example, program(signals=example.signals)) for example in held_out) / len(held_out)

    before = score(program)
    # Each instruction takes a request to be proposed and a pass over the examples; trials of the same are cached.
    candidates = (int(budget) - 2 * len(held_out)) // (len(train) + 1)
    optimizer = dspy.MIPROv2(
        metric=near, auto=None, num_candidates=candidates, max_bootstrapped_demos=0, max_labeled_demos=0,
        seed=int(seed), num_threads=1, verbose=False,
    )  # fmt: skip
    best = optimizer.compile(
        program, trainset=train, valset=train, num_trials=4 * candidates, minibatch=False, data_aware_proposer=False,
        program_aware_proposer=False, tip_aware_proposer=False, fewshot_aware_proposer=False,
    )  # fmt: skip
    print(json.dumps({"before": before, "after": score(best)}))


if __name__ == "__main__":
    main(*sys.argv[1:])
