"""Which language a text is in, told offline."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final

# Those of py3langid's model that have a code of two letters. Written here, so that to read a test file does not
# load it; the rarer ones are left out, as they take short texts away from the usual ones.
_CODES: Final = (
    "af am an ar as az ba be bg bn br bs ca cs cy da de dz el en eo es et eu fa fi fo fr fy ga gd gl gu "
    "ha he hi hr ht hu hy id ig is it ja jv ka kk km kn ko ku ky la lb lg ln lo lt lv mg mk ml mn mr ms "
    "mt my ne nl nn no oc om or pa pl ps pt qu ro ru rw sa se si sk sl sn so sq sr st sv sw ta te tg th "
    "tk tl tr tt ug uk ur uz vi vo wa xh yo zh zu"
)

LANGUAGES: Final = tuple(_CODES.split())

_LONGEST: Final = 20_000


def language_of(text: str) -> str:
    """The most likely language of a text, by its code of ISO 639-1."""
    code, _ = _identifier().classify(text[:_LONGEST].encode("utf-8", "replace").decode("utf-8"))
    return str(code)


@lru_cache(maxsize=1)
def _identifier() -> Any:
    # 5 MB and a fifth of a second, for this alone.
    from py3langid.langid import MODEL_FILE, LanguageIdentifier  # noqa: PLC0415 - see above

    identifier = LanguageIdentifier.from_model_file(MODEL_FILE)
    identifier.set_languages(list(LANGUAGES))
    return identifier
