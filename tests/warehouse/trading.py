"""The golden events with a trade: players who gain, spend and buy, design events with values and custom fields."""

from __future__ import annotations

import random

from tests.warehouse.golden import DAY, MONDAY, Story, golden_story

CURRENCIES = {"gold": 3, "gems": 40}
"""Virtual currencies, with how rarely they are spent."""


def trading_story() -> Story:
    """Add to the golden events players who gain, spend and buy, in several currencies, with and without a cart."""
    story, rng = golden_story(), random.Random(5)
    for number in range(45):
        for day in sorted(rng.sample(range(12), 3)):
            session = story.session(
                f"p{number}",
                MONDAY + day * DAY + rng.randrange(DAY - 3600),
                build=rng.choice(["1.0", "1.1"]),
                platform=rng.choice(["linux", "windows"]),
                os_version="linux 6.8",
                custom_01=rng.choice(["ninja", "wizard"]),
                custom_02="hard",
                custom_03="left",
                ab_id="jump",
                ab_variant_id=rng.choice(["a", "b"]),
                custom_fields={"weapon": rng.choice(["bow", "axe"]), **({"ga_who": "developer"} if number < 3 else {})},
            )
            at = 0
            for _ in range(rng.randrange(2, 9)):
                at += rng.randrange(90)
                for currency, rarely in CURRENCIES.items():
                    if rng.randrange(rarely):
                        session.resource(at, f"Source:{currency}:{rng.choice(['pickup', 'gift'])}:coin", 1 + day)
                    else:
                        session.resource(at, f"Sink:{currency}:shop:{rng.choice(['axe', 'bow'])}", -2)
                path = rng.choice(["tutorial:begin", "tutorial:jump", "tutorial", "kill:slime:green"])
                session.design(at, path, rng.choice([None, 0.5, 2, 7.25]))
            if rng.random() < 0.4:
                cart = {"cart_type": "menu"} if rng.random() < 0.5 else {}
                session.business(at, f"pack:{rng.choice(['gold', 'skin'])}", 199, rng.choice(["USD", "EUR"]), **cart)
            session.end(at + 1)
    return story
