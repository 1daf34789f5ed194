"""Core banking: payments between accounts of this bank, each booked on both sides in one transaction or not at all."""

from typing import Annotated, Literal

from pydantic import Field

from tallystick_demo_bank.accounts import find_account
from tallystick_demo_bank.core_model import Account, Payment, PaymentList
from tallystick_demo_bank.store import Row, Store
from tallystick_demo_bank.words import (
    AccountId,
    AmountMinor,
    Currency,
    PageSize,
    PaymentId,
    Reference,
    number_of,
    refuse,
)

PaymentStatus = Literal["draft", "executed", "cancelled", "any"]
IdempotencyKey = Annotated[
    str,
    Field(
        min_length=8,
        max_length=64,
        pattern=r"^[A-Za-z0-9_-]+$",
        description="Repeating a key repeats the answer, not the transfer",
    ),
]


def _payment(row: Row) -> Payment:
    return Payment.model_validate({"payment_id": f"PAY-{row['number']:06}", **row})


class Payments:
    """The tools of the payments desk."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def list_payments(self, status: PaymentStatus = "any", limit: PageSize = 50) -> PaymentList:
        """List payments by number, of one status if given."""
        rows = self._store.rows(
            "SELECT * FROM payments WHERE ? IN ('any', status) ORDER BY number LIMIT ?", status, limit
        )
        return PaymentList(payments=[_payment(row) for row in rows])

    async def get_payment(self, payment_id: PaymentId) -> Payment:
        """Return one payment."""
        return self._find(payment_id)

    async def create_payment_draft(
        self,
        from_account: AccountId,
        to_account: AccountId,
        amount_minor: AmountMinor,
        currency: Currency,
        reference: Reference,
    ) -> Payment:
        """Prepare a payment that moves no money until someone approves it."""
        with self._store.transaction():
            self._check(from_account, to_account, currency)
            number = self._insert(from_account, to_account, amount_minor, currency, reference)
        return self._find(f"PAY-{number:06}")

    async def transfer_funds(
        self,
        from_account: AccountId,
        to_account: AccountId,
        amount_minor: AmountMinor,
        currency: Currency,
        reference: Reference,
        idempotency_key: IdempotencyKey | None = None,
    ) -> Payment:
        """Move money between two accounts at once. The amount is in minor units: 100000 in EUR is EUR 1,000.00."""
        with self._store.transaction():
            if idempotency_key and (
                done := self._store.row("SELECT * FROM payments WHERE idempotency_key = ?", idempotency_key)
            ):
                return _same(_payment(done), from_account, to_account, amount_minor, currency)
            self._check(from_account, to_account, currency)
            number = self._insert(from_account, to_account, amount_minor, currency, reference)
            self._store.write("UPDATE payments SET idempotency_key = ? WHERE number = ?", idempotency_key, number)
            self._execute(number)
        return self._find(f"PAY-{number:06}")

    async def approve_payment(self, payment_id: PaymentId) -> Payment:
        """Approve a draft: the money moves now."""
        with self._store.transaction():
            draft = self._draft(payment_id)
            self._check(draft.from_account, draft.to_account, draft.currency)
            self._execute(number_of(payment_id))
        return self._find(payment_id)

    async def cancel_payment(self, payment_id: PaymentId) -> Payment:
        """Cancel a draft that has not been approved."""
        with self._store.transaction():
            self._draft(payment_id)
            self._store.write("UPDATE payments SET status = 'cancelled' WHERE number = ?", number_of(payment_id))
        return self._find(payment_id)

    def _find(self, payment_id: str) -> Payment:
        row = self._store.row("SELECT * FROM payments WHERE number = ?", number_of(payment_id))
        if row is None:
            refuse(f"unknown payment {payment_id}")
        return _payment(row)

    def _draft(self, payment_id: str) -> Payment:
        payment = self._find(payment_id)
        if payment.status != "draft":
            refuse(f"{payment_id} is {payment.status}, not a draft")
        return payment

    def _insert(self, from_account: str, to_account: str, amount_minor: int, currency: str, reference: str) -> int:
        return self._store.write(
            "INSERT INTO payments (from_account, to_account, amount_minor, currency, reference, status)"
            " VALUES (?, ?, ?, ?, ?, 'draft')",
            *(from_account, to_account, amount_minor, currency, reference),
        )

    def _check(self, from_account: str, to_account: str, currency: str) -> None:
        if from_account == to_account:
            refuse("payer and payee are the same account")
        for account in (find_account(self._store, from_account), find_account(self._store, to_account)):
            if account.status != "open":
                refuse(f"{account.account_id} is {account.status}")
            if account.currency != currency:
                refuse(f"{account.account_id} is kept in {account.currency}, not in {currency}")

    def _execute(self, number: int) -> None:
        payment = self._find(f"PAY-{number:06}")
        payer, payee = (find_account(self._store, name) for name in (payment.from_account, payment.to_account))
        available = payer.balance_minor + payer.overdraft_minor
        if available < payment.amount_minor:
            refuse(
                f"insufficient funds: {payer.account_id} has {available} available, {payment.amount_minor} are needed"
                f" ({payment.currency} minor units)"
            )
        self._book(payer, payee.iban, -payment.amount_minor, payment.reference, number)
        self._book(payee, payer.iban, payment.amount_minor, payment.reference, number)
        self._store.write("UPDATE payments SET status = 'executed' WHERE number = ?", number)

    def _book(self, account: Account, counterparty: str, amount_minor: int, reference: str, payment: int) -> None:
        balance = account.balance_minor + amount_minor
        self._store.write("UPDATE accounts SET balance_minor = ? WHERE account_id = ?", balance, account.account_id)
        self._store.write(
            "INSERT INTO transactions"
            " (account_id, booked_on, amount_minor, balance_after_minor, counterparty, reference, payment)"
            " VALUES (?, (SELECT today FROM bank_day), ?, ?, ?, ?, ?)",
            *(account.account_id, amount_minor, balance, counterparty, reference, payment),
        )


def _same(payment: Payment, from_account: str, to_account: str, amount_minor: int, currency: str) -> Payment:
    asked = (from_account, to_account, amount_minor, currency)
    if (payment.from_account, payment.to_account, payment.amount_minor, payment.currency) != asked:
        refuse("this idempotency key belongs to another transfer")
    return payment
