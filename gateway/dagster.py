"""Dagster over its GraphQL: the gateway has runs of batches begun, and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import httpx

from gateway.errors import BackendFailed, Unavailable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

LOCATION: Final = "imageworks"
REPOSITORY: Final = "__repository__"

_TIMEOUT: Final = httpx.Timeout(20.0, connect=3.0)
_MOST_BYTES: Final = 1024 * 1024
_SHOWN: Final = 400
_LAUNCH: Final = """
mutation Launch($params: ExecutionParams!) {
  launchRun(executionParams: $params) {
    __typename
    ... on LaunchRunSuccess { run { runId } }
    ... on RunConfigValidationInvalid { errors { message } }
    ... on Error { message }
  }
}
"""


def launch(
    url: str,
    *,
    pipeline: str,
    batch: str,
    by: str,
    assets: Sequence[str] = (),
    configured: Mapping[str, Mapping[str, Any]] | None = None,
) -> str:
    """Have Dagster materialize assets of a pipeline for one batch.

    Args:
        url: Of Dagster's web server.
        pipeline: `judge` or `tagger`, which is the job's name too.
        batch: The partition.
        by: Who has it done, as a tag of the run.
        assets: Such as `tagger/metadata`; none means all of the pipeline.
        configured: What an asset is told, by asset.

    Returns:
        The run's id.

    Raises:
        Unavailable: Nobody answers at the address.
        BackendFailed: Dagster answers otherwise than with a run; the message says how.
    """
    params = {
        "selector": {
            "jobName": pipeline,
            "repositoryName": REPOSITORY,
            "repositoryLocationName": LOCATION,
            **({"assetSelection": [{"path": asset.split("/")} for asset in assets]} if assets else {}),
        },
        "runConfigData": {
            "ops": {
                asset.replace("/", "__"): {"config": dict(config)}
                for asset, config in (configured or {}).items()
            }
        },
        "executionMetadata": {
            "tags": [
                {"key": "dagster/partition", "value": batch},
                {"key": "imageworks/started_by", "value": by},
            ]
        },
    }
    said = _ask(url, _LAUNCH, {"params": params}).get("launchRun") or {}
    run_id = (said.get("run") or {}).get("runId")
    if said.get("__typename") == "LaunchRunSuccess" and isinstance(run_id, str):
        return run_id
    why = said.get("message") or "; ".join(str(one.get("message")) for one in said.get("errors") or ())
    raise BackendFailed(
        f"Dagster did not begin a run of {batch}: {str(why or said.get('__typename'))[:_SHOWN]}. "
        f"Its web server at {url} says more."
    )


def _ask(url: str, query: str, variables: dict[str, Any]) -> dict[str, Any]:
    try:
        with (
            httpx.Client(timeout=_TIMEOUT, follow_redirects=False, trust_env=False) as client,
            client.stream(
                "POST", f"{url.rstrip('/')}/graphql", json={"query": query, "variables": variables}
            ) as answer,
        ):
            body = b""
            for piece in answer.iter_bytes():
                body += piece
                if len(body) > _MOST_BYTES:
                    raise BackendFailed(f"Dagster at {url} answers with more than {_MOST_BYTES >> 20} MiB.")
    except httpx.HTTPError as error:
        raise Unavailable(
            f"Dagster does not answer at {url}: {str(error) or type(error).__name__}. Start it with `imageworks ui`, "
            f"or name its address in IMAGEWORKS_DAGSTER_URL."
        ) from error
    return _data(url, answer, body)


def _data(url: str, answer: httpx.Response, body: bytes) -> dict[str, Any]:
    try:
        said = httpx.Response(answer.status_code, content=body).json()
    except ValueError as error:
        raise BackendFailed(
            f"What answers at {url} is no Dagster: its answer, with status {answer.status_code}, is not JSON."
        ) from error
    data = said.get("data") if isinstance(said, dict) else None
    if not isinstance(data, dict):
        problems = said.get("errors") if isinstance(said, dict) else None
        words = "; ".join(str(one.get("message")) for one in problems or () if isinstance(one, dict))
        raise BackendFailed(f"Dagster at {url} refuses the question: {words[:_SHOWN] or answer.status_code}.")
    return data
