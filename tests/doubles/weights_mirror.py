"""A place that weights are fetched from: files over HTTP, which may be cut short or lie elsewhere."""

from __future__ import annotations

import io
import tarfile

from aiohttp import web
from served import Served


class Mirror(Served):
    """Serves bytes by path; may cut a body short, and send elsewhere."""

    def __init__(self, files):
        super().__init__()
        self.files = files
        self.cut = False
        self.asked = []

    def routes(self):
        return [web.get("/{path:.*}", self._give)]

    async def _give(self, request):
        path = request.match_info["path"]
        self.asked.append(path)
        if path == "away":
            raise web.HTTPFound("/files/nima/weights_mobilenet_aesthetic_0.07.hdf5")
        if path == "round":
            raise web.HTTPFound("/round")
        body = self.files.get(path.removeprefix("files/"))
        if body is None:
            raise web.HTTPNotFound
        response = web.StreamResponse(headers={"Content-Length": str(len(body))})
        await response.prepare(request)
        if self.cut:
            await response.write(body[: len(body) // 2])
            request.transport.abort()
            return response
        await response.write(body)
        return response


def archive(files, *, more=()):
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz") as tar:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
        for member in more:
            tar.addfile(member)
    return made.getvalue()


SAVED_MODEL = {"./saved_model.pb": b"graph", "./variables/variables.index": b"index"}
