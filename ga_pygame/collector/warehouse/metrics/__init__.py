"""The metrics: per question a file of SQL and one of Python with the type of its rows, and the table of all."""

from __future__ import annotations

from ga_pygame.collector.warehouse.asking import WarehouseMetric
from ga_pygame.collector.warehouse.metrics.attempts import ATTEMPTS_METRIC
from ga_pygame.collector.warehouse.metrics.compare import COMPARE_METRIC
from ga_pygame.collector.warehouse.metrics.countries import COUNTRIES_METRIC
from ga_pygame.collector.warehouse.metrics.design import DESIGN_METRIC
from ga_pygame.collector.warehouse.metrics.design_fields import DESIGN_FIELDS_METRIC, FIELD_NAMES_METRIC
from ga_pygame.collector.warehouse.metrics.design_values import DESIGN_VALUES_METRIC
from ga_pygame.collector.warehouse.metrics.economy import ECONOMY_METRIC
from ga_pygame.collector.warehouse.metrics.economy_days import ECONOMY_DAYS_METRIC
from ga_pygame.collector.warehouse.metrics.errors import ERRORS_METRIC
from ga_pygame.collector.warehouse.metrics.event_ids import EVENT_IDS_METRIC
from ga_pygame.collector.warehouse.metrics.findings import FINDINGS_METRIC
from ga_pygame.collector.warehouse.metrics.funnel import FUNNEL_METRIC
from ga_pygame.collector.warehouse.metrics.health import HEALTH_METRIC
from ga_pygame.collector.warehouse.metrics.heatmap import HEATMAP_MAPS_METRIC, HEATMAP_METRIC
from ga_pygame.collector.warehouse.metrics.hitches import HITCHES_METRIC
from ga_pygame.collector.warehouse.metrics.level_histogram import LEVEL_HISTOGRAM_METRIC
from ga_pygame.collector.warehouse.metrics.levels import LEVELS_METRIC
from ga_pygame.collector.warehouse.metrics.money import MONEY_METRIC
from ga_pygame.collector.warehouse.metrics.money_days import MONEY_DAYS_METRIC
from ga_pygame.collector.warehouse.metrics.overview import OVERVIEW_METRIC
from ga_pygame.collector.warehouse.metrics.plan_names import PLAN_NAMES_METRIC
from ga_pygame.collector.warehouse.metrics.players import PLAYERS_METRIC
from ga_pygame.collector.warehouse.metrics.retention import RETENTION_METRIC
from ga_pygame.collector.warehouse.metrics.stability import STABILITY_METRIC
from ga_pygame.collector.warehouse.metrics.timeline import TIMELINE_METRIC, TRAIL_METRIC
from ga_pygame.collector.warehouse.metrics.unique_values import UNIQUE_VALUES_METRIC

METRICS: dict[str, WarehouseMetric] = {
    one.name: one
    for one in (
        OVERVIEW_METRIC,
        COUNTRIES_METRIC,
        LEVELS_METRIC,
        ATTEMPTS_METRIC,
        ECONOMY_METRIC,
        ECONOMY_DAYS_METRIC,
        MONEY_METRIC,
        MONEY_DAYS_METRIC,
        DESIGN_METRIC,
        DESIGN_VALUES_METRIC,
        DESIGN_FIELDS_METRIC,
        HEATMAP_METRIC,
        HEATMAP_MAPS_METRIC,
        FUNNEL_METRIC,
        EVENT_IDS_METRIC,
        FIELD_NAMES_METRIC,
        PLAN_NAMES_METRIC,
        ERRORS_METRIC,
        STABILITY_METRIC,
        TRAIL_METRIC,
        HEALTH_METRIC,
        HITCHES_METRIC,
        PLAYERS_METRIC,
        TIMELINE_METRIC,
        LEVEL_HISTOGRAM_METRIC,
        RETENTION_METRIC,
        FINDINGS_METRIC,
        COMPARE_METRIC,
        UNIQUE_VALUES_METRIC,
    )
}
"""All metrics by name."""
