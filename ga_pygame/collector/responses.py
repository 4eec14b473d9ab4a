"""What the responses of all routes have in common: JSON, preflights, "try again later"."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

RETRY_AFTER_SECONDS = 5
"""The `Retry-After` of a 503: seconds until the client should try again."""


def json_response(content: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Make a response with a value as JSON."""
    return Response(msgspec.json.encode(content), status, headers, media_type="application/json")


def preflight(request: Request, headers: Mapping[str, str], status: int = 204) -> Response:
    """Answer a browser's preflight request.

    Args:
        request: The preflight.
        headers: The headers of the service, which say what a page may send.
        status: 204, or what the service documents.
    """
    allowed = {**headers, "Access-Control-Max-Age": "86400"}
    if "access-control-request-private-network" in request.headers:
        allowed["Access-Control-Allow-Private-Network"] = "true"
    return Response(None, status, allowed)


def with_retry_after(response: Response) -> Response:
    """Add `Retry-After` to the response to a request that the collector cannot process now."""
    response.headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
    return response
