"""A server whose marks are right only if the prompt says how to mark, and that proposes texts: good, idle and harmful.

As a process of its own, for benches; it prints its URL once it listens::

    python tests/doubles/judging_double.py --salt 1
"""

from __future__ import annotations

import argparse
import asyncio
import html
import json
import random
import re
import signal
from typing import Any

from vllm_double import VllmDouble

GOOD = ("Begin from the measured quality.", "Use the whole scale from 0 to 20.")
HARMFUL = ("Mark against the measured quality.", "Be generous where it is low.")


class JudgingDouble(VllmDouble):
    """The server. Each of `GOOD` in a prompt brings its marks nearer to the measured quality; `HARMFUL` spoils them.

    Attributes:
        salt: Decides in which order texts are proposed.
        proposed: The texts that were proposed.
    """

    def __init__(self, *, salt: int = 0, port: int = 0) -> None:
        super().__init__(port=port)
        self.salt = salt
        self.proposed: list[str] = []

    def _completion(self, body: dict[str, Any], digest: bytes) -> dict[str, Any]:
        made = super()._completion(body, digest)
        schema = body.get("response_format", {}).get("json_schema", {}).get("schema", {})
        said = "\n".join(_text(message) for message in body["messages"])
        fields = schema.get("properties", {})
        if "text" in fields and "reason" in fields:
            answer: Any = {"reason": "It may help.", "text": self._proposal(said)}
        elif "proposed_instruction" in said:
            answer = {"proposed_instruction": self._instruction()}
        elif "Quality: " in said:
            answer = {"critique": "A photograph of the sea.", "score": mark_of(said)}
        else:
            return made
        made["choices"][0]["message"]["content"] = json.dumps(answer)
        return made

    def _instruction(self) -> str:
        """A whole instruction with two sentences of the pool, for optimizers that propose those."""
        chance = random.Random(f"{self.salt} {len(self.proposed)}")
        self.proposed.append(
            " ".join(["Give a mark.", *chance.sample((*GOOD, *HARMFUL, "Think of the frame."), 2)])
        )
        return self.proposed[-1]

    def _proposal(self, said: str) -> str:
        text = html.unescape(re.search(r"<text>\n(.*?)\n</text>", said, re.DOTALL)[1])
        pool = [
            *(f"{text}\n{sentence}" for sentence in (*GOOD, *HARMFUL)),
            re.sub(r"<signals>.*?</signals>", "", text, flags=re.DOTALL),
            f"{text}\n<mood>{{{{ mood }}}}</mood>",
            f"{text}\n{{% if",
            f"{text}\nThink of the frame.",
        ]
        # Each once, then all again in another order: a model that is told of its mistakes does not repeat one.
        turn, place = divmod(len(self.proposed), len(pool))
        random.Random(f"{self.salt} {turn}").shuffle(pool)
        self.proposed.append(pool[place])
        return self.proposed[-1]


def mark_of(said: str) -> int:
    """The mark for what is said: near the measured quality as far as the prompt says how to mark."""
    quality = int(re.findall(r"Quality: (\d+)", said)[-1])
    if any(sentence in said for sentence in HARMFUL):
        return 20 - quality
    noise = random.Random(quality).randint(0, 20)
    weight = (0.2, 0.75, 1.0)[sum(sentence in said for sentence in GOOD)]
    return round(weight * quality + (1 - weight) * noise)


def _text(message: dict[str, Any]) -> str:
    content = message["content"]
    if isinstance(content, str):
        return content
    return "\n".join(part.get("text", "") for part in content)


def main() -> None:
    """Serve from the command line until SIGTERM."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--salt", type=int, default=0, help="order of the texts that are proposed")
    double = JudgingDouble(salt=parser.parse_args().salt)

    async def serve() -> None:
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        await double.serve(stop, announce=True)

    asyncio.run(serve())


if __name__ == "__main__":
    main()
