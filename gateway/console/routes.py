"""Every address of the console."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from starlette.responses import RedirectResponse, Response

from gateway.console import signing_in
from gateway.console.desk import Desk
from gateway.console.operations import gpu, registry
from gateway.console.performance import pages as performance
from gateway.console.prompts import changing as prompt_changes
from gateway.console.prompts import pages as prompts
from gateway.console.results import acting, reports
from gateway.console.results import pages as results
from gateway.console.statics import send_static
from gateway.console.visits import PATH, SIGN_IN, endpoint, told
from gateway.errors import NotFound

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastapi import FastAPI

    from gateway.console.visits import Visit

_BATCH: Final = "/results/{pipeline}/{batch}"
_PROMPT: Final = "/prompts/{profile}"


def start(_: Visit) -> Response:
    """The first page."""
    return RedirectResponse(f"{PATH}/results", 303)


def nothing(visit: Visit) -> Response:
    """Whatever else is asked for.

    Raises:
        NotFound: Always.
    """
    raise NotFound(f"The console has no page at {visit.request.url.path[:200]}.")


_GET: Final[dict[str, Callable[[Visit], Response]]] = {
    "": start,
    "/": start,
    "/results": results.show_batches,
    _BATCH: results.show_batch,
    f"{_BATCH}/cards": results.show_cards,
    f"{_BATCH}/covers": results.show_covers,
    f"{_BATCH}/entry": results.show_entry,
    f"{_BATCH}/picture": results.show_picture,
    f"{_BATCH}/evidence": results.show_evidence,
    f"{_BATCH}/compare": results.show_comparison,
    f"{_BATCH}/metadata": acting.show_metadata,
    f"{_BATCH}/publish": acting.ask_publish,
    f"{_BATCH}/report": reports.show_report,
    "/prompts": prompts.show_prompts,
    _PROMPT: prompts.show_prompt,
    f"{_PROMPT}/photo": prompts.show_test_photo,
    "/performance": performance.show_runs,
    "/performance/compare": performance.compare_runs,
    "/performance/{run}": performance.show_run,
    "/performance/{run}/{question}.csv": performance.send_csv,
    "/gpu": gpu.show_devices,
    "/gpu/release": gpu.ask_release,
    "/registry": registry.show_models,
    "/registry/{model}": registry.show_model,
}
_POST: Final[dict[str, Callable[[Visit], Response]]] = {
    "/sign-out": signing_in.sign_out,
    f"{_BATCH}/override": results.make_override,
    f"{_BATCH}/materialize": acting.materialize,
    f"{_BATCH}/metadata": acting.act_on_metadata,
    f"{_BATCH}/publish": acting.publish_results,
    f"{_PROMPT}/draft": prompts.check_draft,
    f"{_PROMPT}/save": prompt_changes.save_draft,
    f"{_PROMPT}/difference": prompts.show_difference,
    f"{_PROMPT}/test": prompt_changes.run_tests,
    f"{_PROMPT}/revision": prompt_changes.save_revision,
    f"{_PROMPT}/label": prompt_changes.promote,
    f"{_PROMPT}/rollback": prompt_changes.roll_back,
    "/gpu/release": gpu.release,
    "/registry/{model}/check": registry.check_model,
}


async def to_console() -> Response:
    """The console's first page, from the gateway's own."""
    return RedirectResponse(PATH, 303)


def add_console(app: FastAPI) -> None:
    """Put the console's pages into an application."""
    app.state.console = Desk()

    def add(path: str, serve: Callable[..., object], *methods: str) -> None:
        app.add_api_route(
            f"{PATH}{path}", serve, methods=list(methods), include_in_schema=False, response_class=Response
        )

    app.add_api_route(
        SIGN_IN,
        told(signing_in.sign_in),
        methods=["GET", "POST"],
        include_in_schema=False,
        response_class=Response,
    )
    # Whoever opens the gateway's bare address in a browser wants its pages.
    app.add_api_route(
        "/", to_console, methods=["GET"], include_in_schema=False, response_class=RedirectResponse
    )
    add("/static/{name}", told(send_static), "GET")
    for path, handler in _GET.items():
        add(path, endpoint(handler), "GET")
    for path, handler in _POST.items():
        add(path, endpoint(handler), "POST")
    add("/{rest:path}", endpoint(nothing), "GET")
