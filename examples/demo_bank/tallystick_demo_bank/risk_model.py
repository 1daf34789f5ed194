"""What the risk tools return: the source of their output schemas. Amounts are euro cents."""

from pydantic import BaseModel, Field


class Exposure(BaseModel):
    """One exposure to a customer."""

    product: str
    exposure_at_default_minor: int
    collateral_minor: int
    loss_given_default_bp: int


class ExposureReport(BaseModel):
    """Everything a customer owes or could come to owe."""

    customer_id: str
    name: str
    sector: str
    country: str
    currency: str = "EUR"
    total_minor: int
    exposures: list[Exposure]


class Rating(BaseModel):
    """A customer's internal rating, after overrides."""

    customer_id: str
    grade: str
    outlook: str
    default_probability_bp: int
    rated_on: str
    overridden: bool


class Limit(BaseModel):
    """A limit and its utilisation."""

    limit_id: str
    kind: str
    scope: str
    amount_minor: int
    used_minor: int
    breached: bool


class LimitList(BaseModel):
    """Some limits."""

    limits: list[Limit]


class Override(BaseModel):
    """A rating set by hand."""

    override_id: str
    customer_id: str
    grade_before: str
    grade_after: str
    justification: str


class OverrideList(BaseModel):
    """Some overrides."""

    overrides: list[Override]


class ValueAtRisk(BaseModel):
    """Parametric value at risk of the credit book."""

    confidence_percent: float
    horizon_days: int
    currency: str = "EUR"
    expected_loss_minor: int
    value_at_risk_minor: int


class SectorLoss(BaseModel):
    """A sector's loss under stress."""

    sector: str
    loss_minor: int


class StressResult(BaseModel):
    """What a stress test found."""

    run: int
    scenario: str
    severity: int
    currency: str = "EUR"
    loss_minor: int = Field(description="Loss over all sectors")
    sectors: list[SectorLoss]


class RebuildResult(BaseModel):
    """What a rebuild of the exposure cache wrote."""

    run: int
    customers: int
    total_minor: int
