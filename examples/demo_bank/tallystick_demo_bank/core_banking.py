"""The core banking server: customers, accounts, balances, bookings and payments over Streamable HTTP."""

from mcp.server.mcpserver import MCPServer

from tallystick_demo_bank.accounts import Accounts
from tallystick_demo_bank.payments import Payments
from tallystick_demo_bank.seed.bank import fill
from tallystick_demo_bank.serve import ADDS, DESTROYS, READS, SETS, new_server, run
from tallystick_demo_bank.store import Store

INSTRUCTIONS = (
    "Core banking of the demo bank. Money is in integer minor units with an ISO 4217 currency. "
    "Read an account before moving money; transfer_funds moves it at once, create_payment_draft waits for approval."
)


def build(store: Store) -> MCPServer:
    """Return the server over a store, which is created and seeded when it is new."""
    store.prepare("core_banking", fill)
    desk, payments = Accounts(store), Payments(store)
    entries = (
        (desk.list_customers, "List customers", READS),
        (desk.get_customer, "Show a customer", READS),
        (desk.search_customers, "Search customers", READS),
        (desk.list_accounts, "List accounts", READS),
        (desk.get_account, "Show an account", READS),
        (desk.get_balance, "Show a balance", READS),
        (desk.list_transactions, "List bookings", READS),
        (desk.get_statement, "Show a statement", READS),
        (payments.list_payments, "List payments", READS),
        (payments.get_payment, "Show a payment", READS),
        (payments.create_payment_draft, "Prepare a payment", ADDS),
        (payments.transfer_funds, "Transfer money", DESTROYS),
        (payments.approve_payment, "Approve a payment", DESTROYS),
        (payments.cancel_payment, "Cancel a payment", DESTROYS),
        (desk.update_customer_address, "Change an address", SETS),
        (desk.freeze_account, "Freeze an account", DESTROYS),
        (desk.close_account, "Close an account", DESTROYS),
    )
    return new_server("core-banking", "Core banking", INSTRUCTIONS, store, entries)


if __name__ == "__main__":
    run("core_banking", build)
