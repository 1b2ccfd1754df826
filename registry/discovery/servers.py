"""What a server is, and what it says of its models, by protocol."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from registry.discovery.asking import Questions, found_at
from registry.errors import ServerSilent

if TYPE_CHECKING:
    from collections.abc import Iterator

    from registry.schema import Provider

Kind = Literal["ollama", "vllm", "trtllm", "openai", "tf_iqa"]

MOST_MODELS: Final = 200
"""Models of one server that are looked at."""

_SUPERVISOR: Final = "imageworks-supervisor"
_NEEDS_ITS_KEY: Final = "unauthorized"
_LOADED_BY_SUPERVISORS: Final = ("vllm", "trtllm", "tf_iqa")
_UNAUTHORIZED: Final = (401, 403)


@dataclass(frozen=True, slots=True)
class FoundDevice:
    """The device that a supervisor loads models onto, in its words."""

    name: str
    kind: str
    memory_mib: int
    uuid: str | None = None
    mig_profile: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundModel:
    """What a server says of one of its models; None where it says nothing.

    Attributes:
        served_model_id: Its id there.
        chats: Whether it writes text.
        sees: Whether it sees pictures.
        context_tokens: Tokens of prompt and answer together.
        metrics: What it measures.
        root: Where its weights came from.
        file_bytes: Size of its file.
        weights: The digest of its weights.
    """

    served_model_id: str
    chats: bool | None = None
    sees: bool | None = None
    context_tokens: int | None = None
    metrics: tuple[str, ...] = ()
    root: str | None = None
    file_bytes: int | None = None
    weights: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundServer:
    """A server that answers.

    Attributes:
        url: Its address, without ``/v1``.
        provider: The protocol that it speaks.
        words: What it is, with its version if it says one.
        models: Those that it has, `MOST_MODELS` at most.
        device: Of a supervisor.
    """

    url: str
    provider: Provider
    words: str
    models: tuple[FoundModel, ...]
    device: FoundDevice | None = None


def look_at(url: str, kind: Kind | None = None) -> FoundServer:
    """Ask a server what it is and has. Nothing is loaded.

    Args:
        url: Its address, without ``/v1``.
        kind: What it is said to be; found out if None. A supervisor may stand before any.

    Raises:
        ServerSilent: It does not answer, or is nothing that is known here.
    """
    with Questions(url) as questions:
        found = _supervisor(url, questions)
        for one, look in _LOOKS.items():
            if found is None and kind in {None, one}:
                found = look(url, questions)
        if found is None and kind not in {"ollama", "tf_iqa"}:
            found = _openai(url, questions, kind)
    if found is None:
        what = "no model server that is known here" if kind is None else f"no {kind} server"
        raise ServerSilent(f"{url} answers, and is {what}")
    return found


def _supervisor(url: str, questions: Questions) -> FoundServer | None:
    status, said = questions.get("/state")
    if status in _UNAUTHORIZED and _object(_object(said).get("error")).get("code") == _NEEDS_ITS_KEY:
        raise ServerSilent(
            f"{url} is a supervisor with a key, which is not sent from here: write its entry by hand, with "
            "control_key_env, as docs/supervisor.md shows"
        )
    state = _object(found_at(status, said))
    provider = state.get("provider")
    if state.get("service") != _SUPERVISOR or provider not in _LOADED_BY_SUPERVISORS:
        return None
    chats = provider != "tf_iqa"
    return FoundServer(
        url=url,
        provider=provider,
        words=f"a supervisor of {provider}",
        models=tuple(
            FoundModel(served_model_id=name, chats=chats)
            for name in _list(state.get("models"))
            if isinstance(name, str) and name
        ),
        device=_device(_object(state.get("device"))),
    )


def _ollama(url: str, questions: Questions) -> FoundServer | None:
    cards = _object(found_at(*questions.get("/api/tags"))).get("models")
    if not isinstance(cards, list):
        return None
    version = _object(found_at(*questions.get("/api/version"))).get("version")
    return FoundServer(
        url=url,
        provider="ollama",
        words=f"Ollama {_text(version) or ''}".strip(),
        models=tuple(_pulled(card, questions) for card in _cards(cards, "name")),
    )


def _pulled(card: dict[str, Any], questions: Questions) -> FoundModel:
    name = card["name"]
    shown = _object(found_at(*questions.post("/api/show", {"model": name})))
    can = _list(card.get("capabilities")) or _list(shown.get("capabilities"))
    lengths = [
        count
        for field, value in _object(shown.get("model_info")).items()
        if field.endswith(".context_length") and (count := _count(value)) is not None
    ]
    return FoundModel(
        served_model_id=name,
        # Older servers do not say what a model can.
        chats="completion" in can if can else None,
        sees="vision" in can if can else None,
        context_tokens=max(lengths, default=None),
        file_bytes=_count(card.get("size")),
        weights=_text(card.get("digest")),
    )


def _tf_iqa(url: str, questions: Questions) -> FoundServer | None:
    # While its networks load, its health has another status, and says the same.
    _, said = questions.get("/healthz")
    metrics = _object(said).get("metrics")
    if not isinstance(metrics, list):
        return None
    names = tuple(dict.fromkeys(name for name in metrics if isinstance(name, str) and name))
    return FoundServer(
        url=url,
        provider="tf_iqa",
        words="a TF-IQA worker",
        models=(FoundModel(served_model_id="tf-iqa", chats=False, metrics=names),) if names else (),
    )


def _openai(url: str, questions: Questions, kind: Kind | None) -> FoundServer | None:
    status, said = questions.get("/v1/models")
    if status in _UNAUTHORIZED:
        raise ServerSilent(
            f"{url} asks for a key, which is not sent from here: write its entry by hand, with api_key_env"
        )
    listed = _object(found_at(status, said)).get("data")
    if not isinstance(listed, list):
        return None
    cards = list(_cards(listed, "id"))
    spoken = kind or _dialect(cards)
    version = None if spoken == "openai" else _object(found_at(*questions.get("/version"))).get("version")
    names = {"vllm": "vLLM", "trtllm": "TensorRT-LLM"}
    return FoundServer(
        url=url,
        provider=spoken,
        words=f"{names.get(spoken, 'a server of the OpenAI protocol')} {_text(version) or ''}".strip(),
        models=tuple(
            FoundModel(
                served_model_id=card["id"],
                chats=True,
                context_tokens=_count(card.get("max_model_len")),
                root=_text(card.get("root")),
            )
            for card in cards
        ),
    )


_LOOKS: Final = {"ollama": _ollama, "tf_iqa": _tf_iqa}


def _dialect(cards: list[dict[str, Any]]) -> Kind:
    owners = {_text(card.get("owned_by")) or "" for card in cards}
    if any(owner.startswith("tensorrt") for owner in owners):
        return "trtllm"
    return "vllm" if "vllm" in owners or any("max_model_len" in card for card in cards) else "openai"


def _device(said: dict[str, Any]) -> FoundDevice | None:
    name, kind, memory_mib = _text(said.get("name")), _text(said.get("kind")), _count(said.get("memory_mib"))
    if name is None or kind is None or memory_mib is None:
        return None
    return FoundDevice(name, kind, memory_mib, _text(said.get("uuid")), _text(said.get("mig_profile")))


def _cards(listed: list[Any], name: str) -> Iterator[dict[str, Any]]:
    for card in listed[:MOST_MODELS]:
        if isinstance(card, dict) and _text(card.get(name)):
            yield card


def _object(said: Any) -> dict[str, Any]:
    return said if isinstance(said, dict) else {}


def _list(said: Any) -> list[Any]:
    return said[:MOST_MODELS] if isinstance(said, list) else []


def _text(said: Any) -> str | None:
    return said if isinstance(said, str) and said else None


def _count(said: Any) -> int | None:
    usable = isinstance(said, int) and not isinstance(said, bool) and 0 < said < 1 << 53
    return said if usable else None
