"""Refuse a request for a table or a picture of the page that cannot be answered."""

from __future__ import annotations

from collections.abc import Callable, Coroutine

from starlette.requests import Request
from starlette.responses import Response

from ga_pygame.collector.responses import json_response, with_retry_after
from ga_pygame.collector.warehouse.database import NotReady
from ga_pygame.collector.warehouse.filters import BadFilter

AnswerRequest = Callable[[Request], Coroutine[None, None, Response]]
"""Answers a request of the page."""


def with_refusals(answer: AnswerRequest) -> AnswerRequest:
    """Answer with 400 if the filters of a request cannot be read, with 503 if the warehouse cannot be asked now."""

    async def answer_or_refuse(request: Request) -> Response:
        try:
            return await answer(request)
        except BadFilter as error:
            return json_response({"error": str(error)}, 400)
        except NotReady as error:
            return with_retry_after(json_response({"error": str(error)}, 503))

    return answer_or_refuse
