"""How a value is written into a prompt: so that it cannot end its delimiter, nor begin a message.

Templates stand values between tags, such as `<title>` and `</title>`, and say that what is in between is data.
That holds only if a value can hold no tag. So every value that a template prints goes through `quoted`:

- `<` and `>` become `&lt;` and `&gt;`. No tag can be opened or closed, and the marks at which servers cut
  a conversation into roles (`<|im_start|>`, `<start_of_turn>`, `<s>`) come apart too.
- `[` becomes `&#91;` where `[WORD]` or `[/WORD]` follows in capitals: the marks of other models (`[INST]`).
- `&` becomes `&amp;` only before one of these, so that "Salt & Pepper" stays as it is and two values never
  come out the same.
- Characters that nobody sees, and that have carried hidden orders, are left out: controls other than line
  feed and tab, and Unicode's tag characters.
"""

from __future__ import annotations

import re

_REPLACED = re.compile(
    r"&(?=(?:lt|gt|amp|#91);)|[<>]|\[(?=/?[A-Z][A-Z_]+\])|[\x00-\x08\x0b-\x1f\x7f-\x9f\U000e0000-\U000e007f]"
)
# One set of characters: looking for any of them takes a quarter of the time, and most texts have none.
_SUSPECT = re.compile(r"[&<>\[\x00-\x08\x0b-\x1f\x7f-\x9f\U000e0000-\U000e007f]")
_WRITTEN = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "[": "&#91;"}


def quoted(text: str) -> str:
    """The text as it may stand in a prompt."""
    if _SUSPECT.search(text) is None:
        return text
    return _REPLACED.sub(lambda match: _WRITTEN.get(match.group(), ""), text)
