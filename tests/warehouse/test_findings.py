"""Findings and comparisons: each rule speaks where a story has what it looks for, and is silent where n is too"
" small."""

from __future__ import annotations

import json
import re
import statistics
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path

import pytest

from ga_pygame.collector.warehouse.asking import Question
from ga_pygame.collector.warehouse.database import Database
from ga_pygame.collector.warehouse.filters import Filters
from ga_pygame.collector.warehouse.intervals import FEW_PLAYERS, difference_of, mean_of, share_of
from ga_pygame.collector.warehouse.metrics import METRICS
from ga_pygame.collector.warehouse.metrics.finding_rules import RULES, Finding
from tests.warehouse.golden import (
    DAY,
    FILTERS,
    MONDAY,
    TODAY,
    Event,
    Story,
    ask,
    day_of,
    each_filter,
    passes,
    projected,
    store_story,
)
from tests.warehouse.test_metrics import levels_of, order, sessions, status

Tell = Callable[[Story, int], None]
"""Adds players to a story."""


def hard_level(story: Story, players: int) -> None:
    """Of five levels, each player completes four; the third one defeats a half."""
    for number in range(players):
        session = story.session(f"p{number}", MONDAY + number)
        for level in range(1, 6):
            won = level != 3 or number % 2
            session.level(level * 100, "Start", f"l{level}")
            session.level(level * 100 + 50, "Complete" if won else "Fail", f"l{level}", 40)
        session.end(1000)


def rage_quits(story: Story, players: int) -> None:
    """A half leaves 10 seconds after the Fail, the others a minute later; a Fail at the end itself does not count."""
    for number in range(players):
        session = story.session(f"p{number}", MONDAY + number).level(5, "Start", "l1").level(50, "Fail", "l1", 40)
        session.level(60 if number % 2 else 110, "Fail", "l2", 5).end(60 if number % 2 else 110)


def crashing_build(story: Story, players: int) -> None:
    """In the first build nobody crashes, in the second a third of the players."""
    for number in range(players):
        story.session(f"p{number}", MONDAY + number, build="1.0").end(60)
        session = story.session(f"p{number}", MONDAY + DAY + number, build="1.1")
        if number % 3 == 0:
            session.error(10, "critical", "boom")
        session.end(60)


def inflation(story: Story, players: int) -> None:
    """On the first day each gains 10 net, on the fourth 20."""
    for number in range(players):
        for day, coins in ((0, 15), (3, 25)):
            session = story.session(f"p{number}", MONDAY + day * DAY + number)
            session.resource(1, "Source:gold:pickup:coin", coins).resource(2, "Sink:gold:shop:hat", -5).end(60)


def unreached_level(story: Story, players: int) -> None:
    """One of all players reaches the second level."""
    for number in range(players):
        session = story.session(f"p{number}", MONDAY + number).level(1, "Start", "l1").level(50, "Complete", "l1", 40)
        if not number:
            session.level(60, "Start", "l2").level(70, "Complete", "l2", 5)
        session.end(200)


STORIES: dict[str, tuple[Tell, dict[str, object]]] = {
    "losing_level": (hard_level, {"rate": 0.5, "n": 60, "n_of": "players", "view": "progression", "query": "level=l3"}),
    "rage_quits": (rage_quits, {"rate": 0.5, "n": 60, "n_of": "fails", "view": "progression", "query": "level=l1"}),
    "crashing_build": (crashing_build, {"rate": 1 / 3, "n": 60, "view": "errors", "query": "build=1.1"}),
    "inflation": (inflation, {"rate": 1.0, "n": 60, "n_of": "player-days", "view": "economy"}),
    "unreached_level": (unreached_level, {"rate": 1 / 60, "n": 60, "view": "progression", "query": "level=l2"}),
}
"""For each rule a story in which it speaks, told of 60 players, and what it then finds."""


def found_in(folder: Path, tell: Tell, players: int) -> list[Finding]:
    """Tell a story of some players and return the findings."""
    story, file = Story(), folder / f"{players}.sqlite3"
    tell(story, players)
    store_story(file, story)
    with projected(file) as database:
        return ask(database, "findings")


@pytest.mark.e2e
@pytest.mark.parametrize("rule", [rule.name for rule in RULES])
def test_a_rule_speaks_and_is_silent(tmp_path: Path, rule: str) -> None:
    """It finds what was put into the story, and nothing else; of 19 players nothing is said."""
    tell, expected = STORIES[rule]
    (finding,) = found_in(tmp_path, tell, 60)
    assert finding.rule == rule
    assert {name: getattr(finding, name) for name in expected} == pytest.approx(expected)
    if finding.low is not None and finding.high is not None and finding.rate is not None:
        assert finding.low < finding.rate < finding.high
        assert (finding.low, finding.high) == pytest.approx(share_of(round(finding.rate * 60), 60)[1:])
    assert re.search(r"\d", finding.sentence)
    assert found_in(tmp_path, tell, FEW_PLAYERS - 1) == []


@pytest.mark.e2e
def test_one_player_who_is_lost_is_no_finding(tmp_path: Path) -> None:
    """The lower end of one in thirty lies above the neighbours' median of 0, but this is chance."""

    def tell(story: Story, players: int) -> None:
        for number in range(players):
            session = story.session(f"p{number}", MONDAY + number)
            for level in range(1, 6):
                won = level != 3 or number
                session.level(level * 100, "Complete" if won else "Fail", f"l{level}", 40)
            session.end(1000)

    assert share_of(1, 30).low is not None
    assert found_in(tmp_path, tell, 30) == []


def test_growth_is_no_inflation(tmp_path: Path) -> None:
    """Twice as many players gain the same each: the currency is as it was. Nor is a currency of which all is spent."""

    def tell(story: Story, players: int) -> None:
        for day, some in ((0, players), (1, 2 * players)):
            for number in range(some):
                session = story.session(f"p{number}", MONDAY + day * DAY + number)
                session.resource(1, "Source:gold:pickup:coin", 10 + number % 2).end(60)
                session.resource(2, "Sink:gems:shop:hat", -10)

    assert found_in(tmp_path, tell, 30) == []


def test_rules_are_a_table() -> None:
    """Each has a name, a sentence and a story that tests it; findings are rows as those of any metric."""
    assert [rule.name for rule in RULES] == list(STORIES)
    assert all(rule.sentence.endswith(".") for rule in RULES)
    assert METRICS["findings"].row is Finding
    json.dumps(Finding("a", "b", None, None, None, 1, "players", "overview", "")._asdict())


# --- intervals -------------------------------------------------------------------------------------------------


def test_intervals_of_means_and_differences() -> None:
    """As tables and the papers have them; with one value or none there is no interval."""
    values = [3.0, 5.0, 8.0, 8.0, 11.0]
    mean, low, high = mean_of(sum(values), sum(value**2 for value in values), len(values))
    error = statistics.stdev(values) / len(values) ** 0.5
    assert (mean, low, high) == pytest.approx((7, 7 - 1.959964 * error, 7 + 1.959964 * error), abs=1e-5)
    assert mean_of(5, 25, 1) == (5, None, None)
    assert mean_of(0, 0, 0) == (None, None, None)
    # Newcombe 1998, table II, (a) 56/70 - 48/80, method 10
    assert difference_of(share_of(56, 70), share_of(48, 80)) == pytest.approx((0.2, 0.0524, 0.3339), abs=1e-4)
    assert difference_of(share_of(56, 70), share_of(0, 0)) == (None, None, None)
    assert difference_of(mean_of(5, 25, 1), mean_of(4, 16, 1)) == (1, None, None)


# --- against plain Python --------------------------------------------------------------------------------------


@pytest.mark.e2e
@each_filter
def test_rage_quits_equal_those_of_the_events(golden: Database, golden_events: list[Event], filters: Filters) -> None:
    """The share of each level that the rule looks at."""
    fails, quits = Counter[str](), Counter[str]()
    for events in sessions(golden_events).values():
        if not any(event["category"] == "session_end" for event in events):
            continue
        end, last = events[-1]["client_ts"], ""
        for event in events:
            if event.get("event_id", "").startswith("Fail:"):
                level, left = event["event_id"].partition(":")[2], end - event["client_ts"]
                if passes(event, filters) and left >= 1:
                    fails[level] += 1
                    last = level if left <= 20 else last
        quits[last] += 1
    found = golden.ask(lambda cursor: Question(cursor, filters, TODAY).rows("rage_quits", seconds=20))
    assert {level: (number, rage) for level, number, _, rage in found} == {
        level: (number, quits[level]) for level, number in fails.items()
    }


@each_filter
def test_histograms_of_levels(golden: Database, golden_events: list[Event], filters: Filters) -> None:
    """Each time and score is in the bin that it belongs to; bins of a level are equally wide, and about ten."""
    values: defaultdict[tuple[str, str], list[float]] = defaultdict(list)
    for (_, level), events in levels_of(golden_events, filters).items():
        for event in events:
            if "seconds" in event.get("custom_fields", {}):
                values[level, "seconds"].append(event["custom_fields"]["seconds"])
            if "score" in event:
                values[level, "score"].append(event["score"])
    bins = defaultdict(list)
    for row in ask(golden, "level_histogram", filters):
        bins[row.level, row.figure].append(row)
    assert bins.keys() == values.keys()
    for key, some in values.items():
        inside = [
            sum(row.from_value <= value and (row.to_value is None or value < row.to_value) for value in some)
            for row in bins[key]
        ]
        assert [row.attempts for row in bins[key]] == inside
        assert sum(inside) == len(some)
        assert len({round(row.to_value - row.from_value, 9) for row in bins[key] if row.to_value is not None}) <= 1
        assert len(inside) <= 14
    one = ask(golden, "level_histogram", filters, level="forest:level_2")
    assert one == bins["forest:level_2", "score"] + bins["forest:level_2", "seconds"]


def test_a_few_large_values_share_the_last_bin(tmp_path: Path) -> None:
    """They do not hide how the others are spread."""
    story = Story()
    for number in range(100):
        session = story.session(f"p{number}", MONDAY + number)
        score = 10**9 if number < 3 else number
        session.level(50, "Complete", "l1", 5, score=score).end(60)
    store_story(tmp_path / "events.sqlite3", story)
    with projected(tmp_path / "events.sqlite3") as database:
        rows = [row for row in ask(database, "level_histogram") if row.figure == "score"]
    assert [(row.from_value, row.to_value, row.attempts) for row in rows] == [
        (0, 10, 7),
        *((low, low + 10, 10) for low in range(10, 90, 10)),
        (90, 100, 10),
        (100, None, 3),
    ]


def test_a_comparison_equals_the_metrics_of_its_sides(golden: Database) -> None:
    """Overview, retention and levels of each side, asked alone; verdicts follow from the interval of the difference."""
    first, second = Filters(build="1.1"), Filters(build="1.0")
    rows = ask(golden, "compare", first, other_build="1.0")
    assert {(row.first_side, row.second_side) for row in rows} == {("build 1.1", "build 1.0")}
    by_key = {(row.figure, row.level): row for row in rows}
    whole = [ask(golden, "overview", side)[0] for side in (first, second)]
    for name in ("players", "sessions", "mean_length", "median_length", "crash_free_sessions", "playtime_per_player"):
        row = by_key[name, ""]
        assert (row.first, row.second) == pytest.approx(tuple(getattr(side, name) for side in whole))
        assert (row.first_players, row.second_players) == tuple(side.players for side in whole)
    of_levels = [{one.level: one for one in ask(golden, "levels", side)} for side in (first, second)]
    for level in of_levels[0]:
        row = by_key["players_rate", level]
        assert (row.first, row.second) == tuple(side[level].players_rate for side in of_levels)
        assert (row.first_low, row.second_high) == (of_levels[0][level].players_low, of_levels[1][level].players_high)
    cells = [cell for cell in ask(golden, "retention", first) if cell.day == 1]
    assert by_key["retention_d1", ""].first == sum(c.returned for c in cells) / sum(c.new_players for c in cells)
    order_of_both = [row.level for row in ask(golden, "levels")]
    assert list(dict.fromkeys(row.level for row in rows if row.level)) == order_of_both
    for row in rows:
        few = min(row.first_players, row.second_players) < FEW_PLAYERS
        if row.verdict and few:
            assert row.verdict == "not enough players yet"
        elif row.verdict in ("higher", "lower"):
            assert (row.difference_low > 0) == (row.verdict == "higher")
            assert row.difference_low * row.difference_high > 0
    assert {row.verdict for row in rows} >= {"", "no difference shown", "not enough players yet"}


def test_intervals_of_a_comparison(golden: Database, golden_events: list[Event]) -> None:
    """Mean and standard error of sessions and playtime of each player, and of lengths, in plain Python."""
    filters = Filters(build="1.1")
    players = {event["user_id"] for event in golden_events if passes(event, filters)}
    number, playtime, lengths = Counter[str](), Counter[str](), []
    for events in sessions(golden_events).values():
        if passes(events[0], filters):
            number[events[0]["user_id"]] += 1
            for length in (event["length"] for event in events if event["category"] == "session_end"):
                playtime[events[0]["user_id"]] += length
                lengths.append(length)
    rows = {row.figure: row for row in ask(golden, "compare", filters, other_build="1.0")}
    for name, values in (
        ("sessions_per_player", [number[player] for player in players]),
        ("playtime_per_player", [playtime[player] for player in players]),
        ("mean_length", lengths),
    ):
        half = 1.959964 * statistics.stdev(values) / len(values) ** 0.5
        mean = statistics.mean(values)
        assert (rows[name].first, rows[name].first_low, rows[name].first_high) == pytest.approx(
            (mean, mean - half, mean + half), rel=1e-5
        )


def test_what_is_compared_if_no_other_side_is_named(golden: Database) -> None:
    """The period before, else the build that came before (here 1.1); nothing if there is none."""
    assert {(row.first_side, row.second_side) for row in ask(golden, "compare")} == {("build 1.0", "build 1.1")}
    days = ask(golden, "compare", FILTERS["range"])
    assert (days[0].first_side, days[0].second_side) == ("2026-03-04 to 2026-03-08", "2026-02-27 to 2026-03-03")
    assert ask(golden, "compare", Filters(build="1.1")) == []
    variants = ask(golden, "compare", Filters(ab_variant_id="a"), other_ab_variant_id="b")
    assert (variants[0].first_side, variants[0].second_side) == ("variant a", "variant b")
    of_test = ask(golden, "compare", Filters(ab_id="speed", ab_variant_id="a"), other_ab_variant_id="b")
    assert (
        0 < of_test[0].first_players < variants[0].first_players
    )  # those of the other test with a variant `a` are out
    read = METRICS["compare"].options
    assert read["other_since"]("2026-03-02") == day_of(MONDAY)


def test_a_clear_difference_has_a_verdict(tmp_path: Path) -> None:
    """Each player of one build completes the level, no one of the other."""
    story = Story()
    for number in range(60):
        build = "1.0" if number < 30 else "1.1"
        session = story.session(f"p{number}", MONDAY + number, build=build)
        session.level(5, "Start", "l1").level(50, "Complete" if build == "1.1" else "Fail", "l1", 40).end(60)
    store_story(tmp_path / "events.sqlite3", story)
    with projected(tmp_path / "events.sqlite3") as database:
        rows = {(row.figure, row.level): row for row in ask(database, "compare")}
    assert rows["players_rate", "l1"].verdict == "higher"
    assert rows["crash_free_sessions", ""].verdict == "no difference shown"
    assert rows["retention_d1", ""].verdict == "no difference shown"


def test_levels_have_the_90th_percentile_of_times(golden: Database, golden_events: list[Event]) -> None:
    """As `statistics` computes it."""
    for row in ask(golden, "levels"):
        some = [
            event["custom_fields"]["seconds"]
            for (_, level), events in levels_of(golden_events, Filters()).items()
            for event in sorted(events, key=order)
            if level == row.level and status(event) != "Start" and "seconds" in event.get("custom_fields", {})
        ]
        assert row.p90_seconds == pytest.approx(statistics.quantiles(some, n=10, method="inclusive")[8])


def test_the_overview_has_the_days_of_the_period_before(golden: Database) -> None:
    """They equal the days of that period when it is asked alone."""
    filters = FILTERS["range"]
    rows = ask(golden, "overview", filters)
    before = Filters(since=day_of(MONDAY - 3 * DAY), until=day_of(MONDAY + DAY))
    assert [row._replace(period="now") for row in rows if row.period == "before"] == ask(golden, "overview", before)[
        :1
    ] + [row for row in ask(golden, "overview", before) if row.period == "now" and row.time != "all"]
