"""Where an old entry's model is served: provider, address and id."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Any, Final

from registry.addresses import is_private, problem_with_url

if TYPE_CHECKING:
    from collections.abc import Mapping

    from registry.importing.arguments import Arguments
    from store.import_report import ImportReport

_PROVIDERS: Final = {
    "vllm": ("vllm", 24001),
    "ollama": ("ollama", 11434),
    "lmdeploy": ("openai", 23333),
    "gguf": ("openai", 8080),
}
"""Old backend → provider here, and the port where its server usually is."""

_LONGEST_ID: Final = 256


def deployment_of(
    name: str, entry: Mapping[str, Any], told: Arguments, report: ImportReport
) -> dict[str, Any] | None:
    """The one deployment of an entry, or None, with the reason in the report, where it cannot be reached.

    Args:
        name: The old name.
        entry: Its fields.
        told: What its server was told.
        report: Told what became of each field.
    """
    backend = entry.get("backend")
    if not isinstance(backend, str) or backend not in _PROVIDERS:
        report.dropped(name, "entry", f"is left out: no provider here speaks to the backend {backend!r}")
        return None
    provider, port = _PROVIDERS[backend]
    if provider == backend:
        report.mapped(name, "backend", f"is the provider {provider}")
    else:
        report.changed(
            name, "backend", f"{backend} is the provider {provider}: its server speaks OpenAI's protocol"
        )
    config = entry.get("backend_config")
    url = _url(name, config if isinstance(config, dict) else {}, port, report)
    served = _served_id(name, entry, told, report)
    if url is None or served is None:
        return None
    deployment: dict[str, Any] = {
        "name": backend,
        "provider": provider,
        "base_url": url,
        "served_model_id": served,
    }
    if not is_private(url):
        deployment["remote"] = True
        report.changed(
            name,
            "backend_config.host",
            "is outside your network: photos go there only with IMAGEWORKS_ALLOW_REMOTE=true",
        )
    if told.slots is not None:
        deployment["slots"] = told.slots
    return deployment


def _url(name: str, config: Mapping[str, Any], usual: int, report: ImportReport) -> str | None:
    given = config.get("base_url")
    if given:
        url, field = str(given).rstrip("/").removesuffix("/v1"), "backend_config.base_url"
    else:
        field = "backend_config.host"
        host = str(config.get("host") or "localhost")
        port = config.get("port") or usual
        if not config.get("port"):
            report.changed(
                name, "backend_config.port", f"is not said; {usual} is where such a server usually is"
            )
        url = f"http://{_bracketed(host)}:{port}"
    problem = problem_with_url(url)
    if problem is not None:
        report.dropped(name, "entry", f"is left out: its address {problem}")
        return None
    report.mapped(name, field, f"is base_url {url}")
    return url


def _bracketed(host: str) -> str:
    try:
        return f"[{host}]" if ipaddress.ip_address(host).version == 6 else host  # noqa: PLR2004 - IPv6
    except ValueError:
        return host


def _served_id(name: str, entry: Mapping[str, Any], told: Arguments, report: ImportReport) -> str | None:
    given = entry.get("served_model_id")
    served = str(given or told.served_model_id or name)
    if len(served) > _LONGEST_ID or not served.isprintable():
        report.dropped(name, "entry", "is left out: its served_model_id cannot be written down")
        return None
    if given:
        report.mapped(name, "served_model_id", f"is served_model_id {served}")
    elif not told.served_model_id:
        report.changed(name, "served_model_id", "is not said; the model's name is taken for it")
    return served
