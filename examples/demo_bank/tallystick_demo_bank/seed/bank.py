"""Accounts, bookings and payments of the core banking system: 80 accounts, 600 bookings, 12 payments."""

import random
from dataclasses import dataclass
from datetime import date, timedelta

from tallystick_demo_bank.seed.numbers import iban
from tallystick_demo_bank.seed.people import Customer, customers
from tallystick_demo_bank.store import Store

SEED = 20260728
FIRST_DAY = date(2026, 1, 5)
TODAY = "2026-10-30"

_PRIVATE = (
    ("Stadtwerke Musterhausen", "Electricity and gas", -14_500),
    ("Green Grocer Market", "Card payment", -6_840),
    ("Fairview Housing", "Rent", -98_000),
    ("Atlas Insurance Demo", "Household insurance", -4_275),
    ("Employer payroll", "Salary", 312_000),
    ("Revenue office", "Tax refund", 41_050),
    ("City Transit", "Annual pass", -41_900),
)
_FIRMS = (
    ("Payroll run", "Salaries", -4_860_000),
    ("Steel & Parts Trading", "Invoice", -1_275_300),
    ("Office campus lease", "Lease", -880_000),
    ("Regional customer account", "Invoice settled", 6_412_000),
    ("Export customer account", "Invoice settled", 3_905_500),
    ("Revenue office", "Value added tax", -964_200),
    ("Freight forwarder", "Freight", -218_750),
)
_FOREIGN = {
    "energy": "USD",
    "shipping": "USD",
    "logistics": "USD",
    "funds": "CHF",
    "retail": "GBP",
    "infrastructure": "GBP",
}
FROZEN, CLOSED = "ACC-0020", "ACC-0040"
DRAFTS = 4


@dataclass(frozen=True, slots=True)
class _Account:
    account_id: str
    customer: Customer
    product: str
    currency: str

    @property
    def private(self) -> bool:
        return self.customer.sector == "private"

    def opening(self, rng: random.Random) -> int:
        """Amount in minor units that the first booking brings."""
        return rng.randrange(250_000, 1_800_000) if self.private else rng.randrange(12_000_000, 90_000_000)


def fill(store: Store) -> None:
    """Seed the core banking tables."""
    rng = random.Random(SEED)  # noqa: S311 - a repeatable world is wanted, not a secret
    store.write("INSERT INTO bank_day (today) VALUES (?)", TODAY)
    for customer in customers():
        since = (FIRST_DAY - timedelta(days=rng.randrange(200, 9_000))).isoformat()
        store.write(
            "INSERT INTO customers VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            *(customer.customer_id, customer.name, customer.kind, customer.country, customer.lei),
            *(customer.email, customer.street, customer.postal_code, customer.city, since),
        )
    for number, account in enumerate(_accounts(), start=1):
        _open(store, account, number, rng)
    _payments(store)


def _accounts() -> list[_Account]:
    """Two per customer: the odd number is always the current account in euro."""
    found: list[_Account] = []
    for index, customer in enumerate(customers()):
        currency = _FOREIGN.get(customer.sector, "EUR")
        product = "foreign_currency" if currency != "EUR" else ("savings" if customer.sector == "private" else "escrow")
        found.append(_Account(f"ACC-{2 * index + 1:04}", customer, "current", "EUR"))
        found.append(_Account(f"ACC-{2 * index + 2:04}", customer, product, currency))
    return found


def _open(store: Store, account: _Account, number: int, rng: random.Random) -> None:
    bookings = _bookings(account, 7 + number % 2, rng)
    status = {FROZEN: "frozen", CLOSED: "closed"}.get(account.account_id, "open")
    overdraft = 50_000 if account.product == "current" and account.private else 0
    balance = sum(amount for _, amount, _, _ in bookings)
    store.write(
        "INSERT INTO accounts VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        *(account.account_id, account.customer.customer_id, iban(account.customer.country, 4_000_000 + number * 137)),
        *(account.product, account.currency, status, FIRST_DAY.isoformat(), overdraft, balance),
    )
    running = 0
    for day, amount, counterparty, reference in bookings:
        running += amount
        store.write(
            "INSERT INTO transactions"
            " (account_id, booked_on, amount_minor, balance_after_minor, counterparty, reference)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            *(account.account_id, day.isoformat(), amount, running, counterparty, reference),
        )


def _bookings(account: _Account, count: int, rng: random.Random) -> list[tuple[date, int, str, str]]:
    day, balance = FIRST_DAY, account.opening(rng)
    found = [(day, balance, account.customer.name, "Opening deposit")]
    while len(found) < count:
        day += timedelta(days=rng.randrange(9, 38))
        counterparty, reference, usual = (_PRIVATE if account.private else _FIRMS)[rng.randrange(7)]
        amount = usual * rng.randrange(85, 116) // 100
        if balance + amount < 0:
            counterparty, reference, amount = "Own funds", "Deposit", rng.randrange(500, 3_000)
        balance += amount
        found.append((day, amount, counterparty, f"{reference} {day:%Y-%m}"))
    if account.account_id == CLOSED:
        found[-1] = (day, found[-1][1] - balance, account.customer.name, "Account closed, balance paid out")
    return found


def _payments(store: Store) -> None:
    """Twelve payments between the current accounts of firms: the first four are still drafts."""
    firms = [account for account in _accounts() if not account.private and account.product == "current"]
    for number, (payer, payee) in enumerate(zip(firms, firms[3:15], strict=False), start=1):
        status = "draft" if number <= DRAFTS else "cancelled"
        store.write(
            "INSERT INTO payments (from_account, to_account, amount_minor, currency, reference, status)"
            " VALUES (?, ?, ?, 'EUR', ?, ?)",
            *(payer.account_id, payee.account_id, 45_000 + number * 12_350, f"Invoice 2026-{1000 + number}", status),
        )
