"""Argument types that several tools share: what a client reads in their input schemas."""

from typing import Annotated, Literal, NoReturn

from mcp.server.mcpserver.exceptions import ToolError
from pydantic import Field

Country = Literal["AT", "DE", "GB", "IE", "LU", "NL"]
Currency = Literal["EUR", "USD", "GBP", "CHF"]
Grade = Literal["AAA", "AA", "A", "BBB", "BB", "B", "CCC", "D"]

CustomerId = Annotated[str, Field(pattern=r"^CUS-[0-9]{4}$", description="Customer id, for example CUS-0007")]
AccountId = Annotated[str, Field(pattern=r"^ACC-[0-9]{4}$", description="Account id, for example ACC-0013")]
PaymentId = Annotated[str, Field(pattern=r"^PAY-[0-9]{6}$", description="Payment id, for example PAY-000001")]
LimitId = Annotated[str, Field(pattern=r"^LIM-[0-9]{4}$", description="Limit id, for example LIM-0003")]
OverrideId = Annotated[str, Field(pattern=r"^OVR-[0-9]{4}$", description="Override id, for example OVR-0001")]
TicketId = Annotated[str, Field(pattern=r"^TIC-[0-9]{4}$", description="Ticket id, for example TIC-0011")]
AmountMinor = Annotated[
    int,
    Field(
        ge=1,
        le=100_000_000_000,
        strict=True,
        description="Amount in minor units of the currency (ISO 4217): 100000 is 1,000.00",
    ),
]
Day = Annotated[str, Field(pattern=r"^20[0-9]{2}-[01][0-9]-[0-3][0-9]$", description="Date, ISO 8601")]
Reference = Annotated[
    str, Field(min_length=1, max_length=140, description="Remittance text, as it appears on the statement")
]
Justification = Annotated[
    str, Field(min_length=10, max_length=500, description="Why, in one or two sentences; kept for the auditors")
]
PageSize = Annotated[int, Field(ge=1, le=200, description="How many entries at most")]


def refuse(text: str) -> NoReturn:
    """Say no, as the bank does to an unknown account or missing funds; the client reads the text (`isError`)."""
    raise ToolError(text)


def number_of(identifier: str) -> int:
    """Return 42 for `PAY-000042`."""
    return int(identifier.rpartition("-")[2])
