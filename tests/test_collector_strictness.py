"""How strictly the collector judges: by the REST document, and with `--lenient` by the published schemas."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ga_pygame.collector.gameanalytics import validation
from tests.collectors import Collector, event

DEVIATIONS: list[tuple[dict[str, Any], str, str]] = [
    # the event, the field that is named, words of the reason
    (event("resource", amount=10), "/amount", "amount 10: must be less than 0, since the event_id begins with Sink"),
    (
        event("resource", event_id="Source:gold:a:b", amount=-1),
        "/amount",
        "must not be less than 0, since the event_id",
    ),
    (event("progression", score=7), "/score", "score 7: must be left out of a Start"),
    (event("progression", attempt_num=1), "/attempt_num", "must be left out of a Start: only Fail and Complete"),
    (event(client_ts=...), "/client_ts", "is required: must be seconds since 1970"),
]


@pytest.mark.parametrize(("one", "path", "words"), DEVIATIONS)
@pytest.mark.parametrize("others", [0, 3])
@pytest.mark.requirement(
    "002:resource-sign",
    "002:progression-attempt_num",
    "002:progression-score",
    "002:client_ts",
    "002:resource-checked",
    "002:progression-checked",
    "002:annotations-checked",
)
def test_the_document_is_kept_and_the_reason_names_it(one: dict[str, Any], path: str, words: str, others: int) -> None:
    """A deviation is refused with its field, rule and source, alone and among events that share its annotations."""
    good = {**one, "category": "design", "event_id": "a:b", "amount": ..., "client_ts": 1_760_000_000}
    batch = [{name: value for name, value in good.items() if value is not ...}] * others
    accepted, rejected = validation.sort_out(json.dumps([*batch, one, *batch]).encode())
    assert len(accepted) == 2 * others
    (error,) = rejected[0][2]
    assert error["path"] == path
    assert words in error["reason"]
    assert "(rule: REST v2, " in error["reason"]


AD = {"ad_sdk_name": "admob", "ad_type": "video", "ad_action": "show", "ad_placement": "end"}


@pytest.mark.parametrize(
    ("fields", "path", "words"),
    [
        ({"ad_fail_show_reason": "no_fill"}, "/ad_fail_show_reason", "only an ad with the ad_action failed_show"),
        ({"ad_type": "banner", "ad_duration": 5}, "/ad_duration", "only an ad of the ad_type video or rewarded_video"),
        ({"ad_action": "failed_show", "ad_fail_show_reason": "no_fill"}, "", ""),
        ({"ad_type": "rewarded_video", "ad_duration": 5}, "", ""),
    ],
)
def test_an_ads_fields_fit_together(fields: dict[str, Any], path: str, words: str) -> None:
    """As the official SDKs send them; our tracker leaves out what does not fit."""
    sent = {**AD, **fields}
    _, rejected = validation.sort_out(json.dumps([event("ads", **sent)]).encode())
    assert [error["path"] for _, _, errors in rejected for error in errors] == ([path] if path else [])
    assert all(words in error["reason"] for _, _, errors in rejected for error in errors)


@pytest.mark.e2e
def test_lenient_checks_the_published_schemas_only(tmp_path: Path) -> None:
    """Clients that deviate from the document can be used as they are; what the schemas refuse is refused still."""
    collector = Collector(tmp_path, "--lenient")
    try:
        assert collector.send(*[one for one, _, _ in DEVIATIONS]).status == 200
        answer = collector.send(event("resource", amount="5"), event(session_num=...), event("progression", score="7"))
        assert answer.status == 400
        assert [one["errors"][0]["path"] for one in answer.json()] == ["/amount", "/session_num", "/score"]
        assert len(collector.export()) == len(DEVIATIONS)
    finally:
        collector.stop()
