"""What the core banking tools return: the source of their output schemas."""

from pydantic import BaseModel, Field


class Customer(BaseModel):
    """A customer as the core banking system knows them."""

    customer_id: str
    name: str
    kind: str
    country: str
    lei: str | None
    email: str
    street: str
    postal_code: str
    city: str
    customer_since: str


class CustomerList(BaseModel):
    """Some customers, and how many there are."""

    customers: list[Customer]
    total: int


class Account(BaseModel):
    """An account; money in minor units of `currency`."""

    account_id: str
    customer_id: str
    iban: str
    product: str
    currency: str
    status: str
    opened_on: str
    overdraft_minor: int
    balance_minor: int


class AccountList(BaseModel):
    """Some accounts."""

    accounts: list[Account]


class Balance(BaseModel):
    """What an account holds, and what can be drawn."""

    account_id: str
    currency: str
    balance_minor: int
    available_minor: int = Field(description="Balance plus agreed overdraft")


class Transaction(BaseModel):
    """One booking: a positive amount is a credit."""

    number: int
    booked_on: str
    amount_minor: int
    balance_after_minor: int
    counterparty: str
    reference: str


class TransactionList(BaseModel):
    """Bookings of one account, newest first."""

    account_id: str
    currency: str
    transactions: list[Transaction]


class Statement(BaseModel):
    """Bookings of a period, oldest first, between two balances."""

    account_id: str
    iban: str
    currency: str
    from_day: str
    to_day: str
    opening_minor: int
    closing_minor: int
    transactions: list[Transaction]


class Payment(BaseModel):
    """A payment between two accounts of this bank."""

    payment_id: str
    from_account: str
    to_account: str
    amount_minor: int
    currency: str
    reference: str
    status: str


class PaymentList(BaseModel):
    """Some payments."""

    payments: list[Payment]
