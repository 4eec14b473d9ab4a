"""The metrics: per question a file of SQL and one of Python with the type of its rows, and the table of all."""

from __future__ import annotations

from ga_pygame.collector.warehouse.asking import WarehouseMetric
from ga_pygame.collector.warehouse.metrics.attempts import ATTEMPTS_METRIC
from ga_pygame.collector.warehouse.metrics.levels import LEVELS_METRIC
from ga_pygame.collector.warehouse.metrics.overview import OVERVIEW_METRIC
from ga_pygame.collector.warehouse.metrics.retention import RETENTION_METRIC

METRICS: dict[str, WarehouseMetric] = {
    one.name: one for one in (OVERVIEW_METRIC, LEVELS_METRIC, ATTEMPTS_METRIC, RETENTION_METRIC)
}
"""All metrics by name."""
