"""Core banking: customers and accounts, reading and changing them."""

from typing import Annotated, Literal

from pydantic import Field

from tallystick_demo_bank.core_model import (
    Account,
    AccountList,
    Balance,
    Customer,
    CustomerList,
    Statement,
    Transaction,
    TransactionList,
)
from tallystick_demo_bank.store import Store
from tallystick_demo_bank.words import AccountId, Country, CustomerId, Day, Justification, PageSize, refuse

AccountStatus = Literal["open", "frozen", "closed", "any"]


def find_account(store: Store, account_id: str) -> Account:
    """Return an account, or refuse."""
    row = store.row("SELECT * FROM accounts WHERE account_id = ?", account_id)
    if row is None:
        refuse(f"unknown account {account_id}")
    return Account.model_validate(row)


class Accounts:
    """The tools of the customer and account desk."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def list_customers(self, country: Country | None = None, limit: PageSize = 50) -> CustomerList:
        """List customers by id, of one country if given."""
        where = "WHERE ?1 IS NULL OR country = ?1"
        rows = self._store.rows(f"SELECT * FROM customers {where} ORDER BY customer_id LIMIT ?2", country, limit)  # noqa: S608 - constants only
        total = self._store.number(f"SELECT COUNT(*) FROM customers {where}", country)  # noqa: S608 - constants only
        return CustomerList(customers=[Customer.model_validate(row) for row in rows], total=total)

    async def get_customer(self, customer_id: CustomerId) -> Customer:
        """Return one customer with address and identifiers."""
        row = self._store.row("SELECT * FROM customers WHERE customer_id = ?", customer_id)
        if row is None:
            refuse(f"unknown customer {customer_id}")
        return Customer.model_validate(row)

    async def search_customers(
        self,
        text: Annotated[str, Field(min_length=2, max_length=80, description="Part of a name or a city")],
        limit: PageSize = 20,
    ) -> CustomerList:
        """Find customers whose name or city contains a text, ignoring case."""
        sql = "SELECT * FROM customers WHERE instr(lower(name || ' ' || city), lower(?)) ORDER BY customer_id"
        found = [Customer.model_validate(row) for row in self._store.rows(sql, text)]
        return CustomerList(customers=found[:limit], total=len(found))

    async def update_customer_address(
        self,
        customer_id: CustomerId,
        street: Annotated[str, Field(min_length=3, max_length=120)],
        postal_code: Annotated[str, Field(min_length=3, max_length=12)],
        city: Annotated[str, Field(min_length=1, max_length=80)],
    ) -> Customer:
        """Replace a customer's postal address."""
        sql = "UPDATE customers SET street = ?, postal_code = ?, city = ? WHERE customer_id = ?"
        self._store.write(sql, street, postal_code, city, customer_id)
        return await self.get_customer(customer_id)

    async def list_accounts(
        self, customer_id: CustomerId | None = None, status: AccountStatus = "any", limit: PageSize = 50
    ) -> AccountList:
        """List accounts by id, of one customer or one status if given."""
        sql = (
            "SELECT * FROM accounts WHERE (?1 IS NULL OR customer_id = ?1) AND ?2 IN ('any', status)"
            " ORDER BY account_id LIMIT ?3"
        )
        rows = self._store.rows(sql, customer_id, status, limit)
        return AccountList(accounts=[Account.model_validate(row) for row in rows])

    async def get_account(self, account_id: AccountId) -> Account:
        """Return one account with its IBAN, product, status and balance."""
        return find_account(self._store, account_id)

    async def get_balance(self, account_id: AccountId) -> Balance:
        """Return an account's booked and available balance in minor units."""
        account = find_account(self._store, account_id)
        available = account.balance_minor + account.overdraft_minor
        return Balance(
            account_id=account_id,
            currency=account.currency,
            balance_minor=account.balance_minor,
            available_minor=available,
        )

    async def list_transactions(self, account_id: AccountId, limit: PageSize = 20) -> TransactionList:
        """List the latest bookings of an account, newest first."""
        account = find_account(self._store, account_id)
        rows = self._store.rows(
            "SELECT * FROM transactions WHERE account_id = ? ORDER BY number DESC LIMIT ?", account_id, limit
        )
        found = [Transaction.model_validate(row) for row in rows]
        return TransactionList(account_id=account_id, currency=account.currency, transactions=found)

    async def get_statement(self, account_id: AccountId, from_day: Day, to_day: Day) -> Statement:
        """Return the statement of an account for a period, both days included."""
        if to_day < from_day:
            refuse(f"the period ends on {to_day}, before it begins on {from_day}")
        account = find_account(self._store, account_id)
        before = "SELECT COALESCE(SUM(amount_minor), 0) FROM transactions WHERE account_id = ? AND booked_on < ?"
        opening = self._store.number(before, account_id, from_day)
        sql = "SELECT * FROM transactions WHERE account_id = ? AND booked_on BETWEEN ? AND ? ORDER BY booked_on, number"
        found = [Transaction.model_validate(row) for row in self._store.rows(sql, account_id, from_day, to_day)]
        return Statement(
            account_id=account_id,
            iban=account.iban,
            currency=account.currency,
            from_day=from_day,
            to_day=to_day,
            opening_minor=opening,
            closing_minor=opening + sum(booking.amount_minor for booking in found),
            transactions=found,
        )

    async def freeze_account(self, account_id: AccountId, justification: Justification) -> Account:
        """Freeze an open account: nothing can be debited or credited until it is released."""
        del justification  # required of the caller and kept by whoever records the call
        return self._change_status(account_id, "open", "frozen")

    async def close_account(self, account_id: AccountId, justification: Justification) -> Account:
        """Close an empty, open account for good. This cannot be undone."""
        del justification  # required of the caller and kept by whoever records the call
        balance = find_account(self._store, account_id).balance_minor
        if balance:
            refuse(f"{account_id} still holds {balance} minor units: pay it out first")
        return self._change_status(account_id, "open", "closed")

    def _change_status(self, account_id: str, before: str, after: str) -> Account:
        account = find_account(self._store, account_id)
        if account.status != before:
            refuse(f"{account_id} is {account.status}, not {before}")
        self._store.write("UPDATE accounts SET status = ? WHERE account_id = ?", after, account_id)
        return find_account(self._store, account_id)
