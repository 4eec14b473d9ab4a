"""The routes of POGR and Trophy for a collector that has no emulators: they say so."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ga_pygame.collector import bodies
from ga_pygame.collector.emulators.pogr.routes import PREFIX
from ga_pygame.collector.emulators.trophy.routes import OLD_AREAS
from ga_pygame.collector.responses import json_response

NO_EMULATORS = "POGR's and Trophy's emulators are there with the local store only: start a collector without --store"


def absent_routes() -> list[Route]:
    """Return routes with the paths of both services, each of which answers 501 and what to do."""
    paths = [PREFIX, f"{PREFIX}/{{command:path}}", "/v1/{path:path}"]
    paths += [path for area in OLD_AREAS for path in (f"/api/{area}", f"/api/{area}/{{path:path}}")]
    return [Route(path, _say_so, methods=bodies.METHODS) for path in paths]


async def _say_so(request: Request) -> Response:  # noqa: ARG001
    return json_response({"error": NO_EMULATORS}, 501)
