"""Obligors, ratings, exposures and limits of the risk database; amounts are euro cents."""

import random

from tallystick_demo_bank.seed.people import Customer, customers
from tallystick_demo_bank.store import Store

SEED = 20260729
# Grade -> probability of default in basis points.
GRADES = {"AAA": 1, "AA": 3, "A": 8, "BBB": 22, "BB": 90, "B": 410, "CCC": 1800, "D": 10000}
_SPREAD = ("AA", "A", "A", "BBB", "BBB", "BBB", "BBB", "BB", "BB", "B", "CCC")
_PRODUCTS = ("term_loan", "revolving_credit", "guarantee", "interest_rate_swap")
_BREACHED = ("CUS-0003", "CUS-0013", "CUS-0025")  # single-name limits that start below what is drawn


REBUILD = """
    INSERT INTO exposure_cache SELECT customer_id, SUM(exposure_at_default_minor) FROM exposures GROUP BY customer_id
"""


def fill(store: Store) -> None:
    """Seed the risk tables."""
    rng = random.Random(SEED)  # noqa: S311 - a repeatable world is wanted, not a secret
    for customer in customers():
        _obligor(store, customer, rng)
    store.write(REBUILD)
    _limits(store, rng)
    store.write(
        "INSERT INTO overrides (customer_id, grade_before, grade_after, justification) VALUES (?, ?, ?, ?)",
        *("CUS-0017", "BB", "BBB", "Parent guarantee signed after the rating date"),
    )


def _obligor(store: Store, customer: Customer, rng: random.Random) -> None:
    store.write(
        "INSERT INTO obligors VALUES (?, ?, ?, ?)",
        customer.customer_id,
        customer.name,
        customer.sector,
        customer.country,
    )
    grade = "AAA" if customer.sector == "public" else _SPREAD[rng.randrange(len(_SPREAD))]
    outlook = ("stable", "stable", "positive", "negative")[rng.randrange(4)]
    rated_on = f"2026-{rng.randrange(1, 10):02}-{rng.randrange(1, 29):02}"
    store.write(
        "INSERT INTO ratings VALUES (?, ?, ?, ?, ?)", customer.customer_id, grade, outlook, GRADES[grade], rated_on
    )
    private = customer.sector == "private"
    for _ in range(1 if private else 2 + rng.randrange(2)):
        drawn = rng.randrange(4_000_000, 38_000_000) if private else rng.randrange(80_000_000, 2_400_000_000)
        product = "mortgage" if private else _PRODUCTS[rng.randrange(len(_PRODUCTS))]
        collateral = drawn * (80 if private else rng.randrange(0, 71)) // 100
        store.write(
            "INSERT INTO exposures"
            " (customer_id, product, exposure_at_default_minor, collateral_minor, loss_given_default_bp)"
            " VALUES (?, ?, ?, ?, ?)",
            *(customer.customer_id, product, drawn, collateral, rng.randrange(1_500, 6_001)),
        )


def _limits(store: Store, rng: random.Random) -> None:
    scopes = [("single_name", customer.customer_id) for customer in customers() if customer.sector != "private"]
    scopes += [("sector", sector) for sector in sorted({customer.sector for customer in customers()})]
    scopes += [("country", country) for country in sorted({customer.country for customer in customers()})]
    columns = {"single_name": "customer_id", "sector": "sector", "country": "country"}
    for number, (kind, scope) in enumerate(scopes, start=1):
        sql = f"SELECT SUM(total_minor) FROM exposure_cache JOIN obligors USING (customer_id) WHERE {columns[kind]} = ?"  # noqa: S608 - one of three constants
        percent = 92 if scope in _BREACHED else rng.randrange(108, 170)
        amount = store.number(sql, scope) * percent // 100 // 1_000_000 * 1_000_000
        store.write("INSERT INTO limits VALUES (?, ?, ?, ?)", f"LIM-{number:04}", kind, scope, amount)
