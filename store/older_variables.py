"""Variables of the proxy-orchestrated ImageWorks: which of our settings each one sets, or what says the same here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from store.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


@dataclass(frozen=True, slots=True)
class OlderVariable:
    """One of them.

    Attributes:
        name: As it is set.
        words: What becomes of it here.
        setting: The field of `Settings` that it sets where that is not set by its own variable; None for none.
        parts: How many of its units make one of ours, such as 1000 ms a second.
    """

    name: str
    words: str
    setting: str | None = None
    parts: int = 1


_ADDRESS = "the shipped models' addresses are filled in from it"

TABLE: Final = (
    OlderVariable("CHAT_PROXY_HOST", "read as IMAGEWORKS_GATEWAY_HOST", "gateway_host"),
    OlderVariable("CHAT_PROXY_PORT", "read as IMAGEWORKS_GATEWAY_PORT", "gateway_port"),
    OlderVariable(
        "CHAT_PROXY_BACKEND_TIMEOUT_MS",
        "read as IMAGEWORKS_REQUEST_TIMEOUT_S, in seconds",
        "request_timeout_s",
        1000,
    ),
    OlderVariable("CHAT_PROXY_VLLM_BASE_URL", _ADDRESS),
    OlderVariable("CHAT_PROXY_OLLAMA_BASE_URL", _ADDRESS),
    OlderVariable("JUDGE_VISION_TF_SERVICE_URL", _ADDRESS),
    OlderVariable(
        "CHAT_PROXY_VLLM_REMOTE_URL",
        "not read; write a deployment with remote: true into registry.yaml, and set IMAGEWORKS_ALLOW_REMOTE",
    ),
    OlderVariable(
        "CHAT_PROXY_MAX_IMAGE_BYTES",
        "not read; IMAGEWORKS_GATEWAY_MAX_BODY bounds a whole request, whose pictures are a third larger in base64",
    ),
    OlderVariable(
        "CHAT_PROXY_AUTOSTART_ENABLED",
        "not read; IMAGEWORKS_LEASES=enforce loads and unloads models through their supervisors",
    ),
    OlderVariable("CHAT_PROXY_ENABLE_METRICS", "not read; the gateway's /metrics is always there"),
    OlderVariable(
        "CHAT_PROXY_LOG_PROMPTS",
        "not read; prompts are not logged: a result names its revision in the Prompt Hub",
    ),
    OlderVariable("JUDGE_VISION_TF_PORT", "not read; the port is in the TF-IQA supervisor's file"),
    OlderVariable(
        "JUDGE_VISION_TF_AUTO_SHUTDOWN",
        "not read; IMAGEWORKS_LEASES=enforce unloads the worker when its room is needed",
    ),
    OlderVariable(
        "GPU_LEASE_STALE_MAX_AGE",
        "not read; a lease is renewed while its holder lives; IMAGEWORKS_LEASE_TTL_S says how soon a dead one's ends",
    ),
    OlderVariable(
        "IMAGEWORKS_MODEL_ROOT",
        "read by docker/compose.yaml alone, as the folder of weights; elsewhere a supervisor's file names them",
    ),
    OlderVariable(
        "IMAGEWORKS_DEPLOYMENT_PROFILE",
        "not read; devices are found, or declared in registry.yaml under devices",
    ),
)

NAMES: Final = frozenset(one.name for one in TABLE)


def set_in(environ: Mapping[str, str]) -> tuple[OlderVariable, ...]:
    """Those of them that are set and not empty, in the table's order."""
    return tuple(one for one in TABLE if environ.get(one.name))


def told_at_start(environ: Mapping[str, str]) -> str | None:
    """One line for a program that starts where some of them are set; None where none is."""
    names = ", ".join(one.name for one in set_in(environ))
    return (
        f"Set for the older ImageWorks: {names}. `imageworks config` says what each does here."
        if names
        else None
    )


def older_settings(environ: Mapping[str, str]) -> dict[str, str | float]:
    """What they set: field of `Settings` → value, not checked yet.

    Raises:
        SettingsError: One that counts something is no number.
    """
    return dict(_read(environ))


def _read(environ: Mapping[str, str]) -> Iterator[tuple[str, str | float]]:
    for one in set_in(environ):
        if one.setting is None:
            continue
        text = environ[one.name]
        if one.parts == 1:
            yield one.setting, text
            continue
        try:
            yield one.setting, float(text) / one.parts
        except ValueError:
            raise SettingsError(f"{one.name} is {text!r}, which is no number; {one.words}.") from None
