"""A batch's report, as the file that its run has made."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import HTMLResponse, Response

from gateway.console.results.asked import open_batch
from gateway.errors import NotFound
from imageworks.page import policy_of

if TYPE_CHECKING:
    from gateway.console.visits import Visit


def show_report(visit: Visit) -> Response:
    """The report of a batch, by the batch's name: the file is found in the home, never by what is asked for.

    It is a page of its own, which an earlier version may have made: it comes with a policy for what is in it, and in a
    sandbox, so that it gets at nothing of the console.

    Raises:
        NotFound: There is none.
        UnknownBatch: Nobody registered the batch.
    """
    one = open_batch(visit)
    try:
        page = visit.parts.home.report(one.pipeline, one.name).read_text(encoding="utf-8")
    except FileNotFoundError:
        raise NotFound(f"{one.name} has no report: its last stage makes one when it runs.") from None
    return HTMLResponse(
        page,
        headers={
            "Cache-Control": "no-store",
            "Content-Security-Policy": f"{policy_of(page)}; frame-ancestors 'none'; sandbox",
        },
    )
