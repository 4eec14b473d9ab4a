"""The table of the documents' demands is that of the markers on the tests."""

from __future__ import annotations

from collections import Counter

from tests.requirements import PAGE, demands, page, shown


def test_the_table_is_up_to_date() -> None:
    """A marker that was added, moved or removed changes the page."""
    assert PAGE.read_text(encoding="utf-8") == page(), "write it anew: python -m tests.requirements"


def test_each_marker_names_a_demand() -> None:
    """A misspelt name would leave its demand open."""
    assert set(shown()) <= {one.name for one in demands()}


def test_each_demand_is_listed_once() -> None:
    """An id names one demand, and each has its words."""
    known = demands()
    assert {name: count for name, count in Counter(one.name for one in known).items() if count > 1} == {}
    assert all(one.words.endswith(".") and one.section and "|" not in one.words for one in known)
