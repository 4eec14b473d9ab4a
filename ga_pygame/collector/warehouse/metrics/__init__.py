"""The metrics: per question a file of SQL and one of Python with the type of its rows, and the table of all."""

from __future__ import annotations

from ga_pygame.collector.warehouse.asking import WarehouseMetric
from ga_pygame.collector.warehouse.metrics.attempts import ATTEMPTS_METRIC
from ga_pygame.collector.warehouse.metrics.levels import LEVELS_METRIC

METRICS: dict[str, WarehouseMetric] = {one.name: one for one in (LEVELS_METRIC, ATTEMPTS_METRIC)}
"""All metrics by name."""
