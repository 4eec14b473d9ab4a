"""Findings: what stands out in the figures, a sentence each."""

from __future__ import annotations

from ga_pygame.collector.warehouse.asking import Question, WarehouseMetric
from ga_pygame.collector.warehouse.metrics.finding_rules import RULES, Finding, evidence_of


def findings(question: Question) -> list[Finding]:
    """Apply all rules; none speaks if it has too few players to be sure."""
    evidence = evidence_of(question)
    return [found for rule in RULES for found in rule.find(evidence)]


FINDINGS_METRIC = WarehouseMetric(
    "findings",
    "What stands out beyond chance, by intervals of 95 % and at least 20 players: a level that loses players, rage"
    " quits, a build that crashes more, a currency that inflates, a level that nobody reaches.",
    Finding,
    findings,
)
