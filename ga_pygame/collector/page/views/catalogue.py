"""All views of the page, in the order of the navigation. A new view is added here."""

from __future__ import annotations

from ga_pygame.collector.page.view import View
from ga_pygame.collector.page.views.chaos import CHAOS_VIEW
from ga_pygame.collector.page.views.compare import COMPARE_VIEW
from ga_pygame.collector.page.views.configs import CONFIGS_VIEW
from ga_pygame.collector.page.views.design import DESIGN_VIEW
from ga_pygame.collector.page.views.economy import ECONOMY_VIEW
from ga_pygame.collector.page.views.errors import ERRORS_VIEW
from ga_pygame.collector.page.views.funnel import FUNNEL_VIEW
from ga_pygame.collector.page.views.health import HEALTH_VIEW
from ga_pygame.collector.page.views.heatmap import HEATMAP_VIEW
from ga_pygame.collector.page.views.live import LIVE_VIEW
from ga_pygame.collector.page.views.money import MONEY_VIEW
from ga_pygame.collector.page.views.overview import OVERVIEW_VIEW
from ga_pygame.collector.page.views.players import PLAYERS_VIEW
from ga_pygame.collector.page.views.progression import PROGRESSION_VIEW
from ga_pygame.collector.page.views.retention import RETENTION_VIEW
from ga_pygame.collector.page.views.services import POGR_VIEW, TROPHY_VIEW

VIEWS: dict[str, View] = {
    view.name: view
    for view in (
        LIVE_VIEW,
        OVERVIEW_VIEW,
        PROGRESSION_VIEW,
        RETENTION_VIEW,
        ECONOMY_VIEW,
        MONEY_VIEW,
        DESIGN_VIEW,
        HEATMAP_VIEW,
        FUNNEL_VIEW,
        ERRORS_VIEW,
        HEALTH_VIEW,
        PLAYERS_VIEW,
        COMPARE_VIEW,
        POGR_VIEW,
        TROPHY_VIEW,
        CONFIGS_VIEW,
        CHAOS_VIEW,
    )
}
FIRST_VIEW = LIVE_VIEW
"""The view of an address that names none."""


def view_named(name: str) -> View:
    """Return a view by its name; the first one if there is none of that name."""
    return VIEWS.get(name, FIRST_VIEW)
