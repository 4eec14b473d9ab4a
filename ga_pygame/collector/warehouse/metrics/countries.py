"""Players and sessions by country."""

from __future__ import annotations

from typing import NamedTuple

from ga_pygame.collector.warehouse.asking import Question, WarehouseMetric


class CountryFigures(NamedTuple):
    """A country.

    Attributes:
        country: Two capital letters (ISO 3166-1); "" if the country is not known.
        players: Distinct players with an event from it.
        sessions: Sessions whose first event came from it.
    """

    country: str
    players: int
    sessions: int


def countries(question: Question) -> list[CountryFigures]:
    """Count players and sessions by country, the most players first."""
    return [CountryFigures(*row) for row in question.rows("countries")]


COUNTRIES_METRIC = WarehouseMetric(
    "countries",
    "Players with an event from the country, and sessions that began there; of a player with events from two countries"
    " both are counted. A country is known if the collector was given a GeoIP file.",
    CountryFigures,
    countries,
)
