"""Risk database: exposures, ratings, limits and overrides, reading and changing them."""

from typing import Annotated, Literal

from pydantic import Field

from tallystick_demo_bank.risk_model import Exposure, ExposureReport, Limit, LimitList, Override, OverrideList, Rating
from tallystick_demo_bank.seed.risk import GRADES
from tallystick_demo_bank.store import Row, Store
from tallystick_demo_bank.words import (
    CustomerId,
    Grade,
    Justification,
    LimitId,
    OverrideId,
    PageSize,
    number_of,
    refuse,
)

LimitKind = Literal["single_name", "sector", "country", "any"]
LimitAmount = Annotated[
    int,
    Field(ge=0, le=100_000_000_000_000, strict=True, description="New limit in euro cents; 0 stops all new business"),
]


def _limit(row: Row) -> Limit:
    return Limit.model_validate({**row, "breached": False if row["used_minor"] == 0 else _over(row)})


def _over(row: Row) -> bool:
    used, amount = row["used_minor"], row["amount_minor"]
    return isinstance(used, int) and isinstance(amount, int) and used > amount


def _override(row: Row) -> Override:
    return Override.model_validate({"override_id": f"OVR-{row['number']:04}", **row})


class Ratings:
    """The tools of the credit risk desk."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def get_exposure(self, customer_id: CustomerId) -> ExposureReport:
        """Return a customer's exposures and their total, in euro cents."""
        obligor = self._obligor(customer_id)
        rows = self._store.rows("SELECT * FROM exposures WHERE customer_id = ? ORDER BY number", customer_id)
        exposures = [Exposure.model_validate(row) for row in rows]
        total = sum(exposure.exposure_at_default_minor for exposure in exposures)
        return ExposureReport.model_validate({**obligor, "exposures": exposures, "total_minor": total})

    async def get_rating(self, customer_id: CustomerId) -> Rating:
        """Return a customer's internal rating, after overrides."""
        self._obligor(customer_id)
        row = self._store.row("SELECT * FROM ratings WHERE customer_id = ?", customer_id) or {}
        override = self._store.row("SELECT * FROM overrides WHERE customer_id = ? ORDER BY number DESC", customer_id)
        if override is None:
            return Rating.model_validate({**row, "overridden": False})
        grade = str(override["grade_after"])
        return Rating.model_validate(
            {**row, "grade": grade, "default_probability_bp": GRADES[grade], "overridden": True}
        )

    async def list_limits(self, kind: LimitKind = "any", limit: PageSize = 100) -> LimitList:
        """List limits with their utilisation, of one kind if given."""
        rows = self._store.rows(
            "SELECT * FROM utilisation WHERE ? IN ('any', kind) ORDER BY limit_id LIMIT ?", kind, limit
        )
        return LimitList(limits=[_limit(row) for row in rows])

    async def get_limit(self, limit_id: LimitId) -> Limit:
        """Return one limit with its utilisation."""
        row = self._store.row("SELECT * FROM utilisation WHERE limit_id = ?", limit_id)
        if row is None:
            refuse(f"unknown limit {limit_id}")
        return _limit(row)

    async def list_breaches(self) -> LimitList:
        """List the limits whose utilisation exceeds them."""
        rows = self._store.rows("SELECT * FROM utilisation WHERE used_minor > amount_minor ORDER BY limit_id")
        return LimitList(limits=[_limit(row) for row in rows])

    async def set_limit(self, limit_id: LimitId, amount_minor: LimitAmount, justification: Justification) -> Limit:
        """Set a limit's amount. The change and its justification are kept."""
        with self._store.transaction():
            before = await self.get_limit(limit_id)
            self._store.write("UPDATE limits SET amount_minor = ? WHERE limit_id = ?", amount_minor, limit_id)
            self._store.write(
                "INSERT INTO limit_changes (limit_id, before_minor, after_minor, justification) VALUES (?, ?, ?, ?)",
                *(limit_id, before.amount_minor, amount_minor, justification),
            )
        return await self.get_limit(limit_id)

    async def list_overrides(self) -> OverrideList:
        """List the ratings that were set by hand."""
        return OverrideList(
            overrides=[_override(row) for row in self._store.rows("SELECT * FROM overrides ORDER BY number")]
        )

    async def record_override(self, customer_id: CustomerId, grade: Grade, justification: Justification) -> Override:
        """Set a customer's rating by hand, above the model's result. It changes capital and pricing at once."""
        before = (await self.get_rating(customer_id)).grade
        if before == grade:
            refuse(f"{customer_id} is rated {grade} already")
        number = self._store.write(
            "INSERT INTO overrides (customer_id, grade_before, grade_after, justification) VALUES (?, ?, ?, ?)",
            *(customer_id, before, grade, justification),
        )
        return self._find_override(f"OVR-{number:04}")

    async def delete_override(self, override_id: OverrideId) -> Override:
        """Delete a manual rating: the model's result applies again. The deleted override is returned."""
        deleted = self._find_override(override_id)
        self._store.write("DELETE FROM overrides WHERE number = ?", number_of(override_id))
        return deleted

    def _obligor(self, customer_id: str) -> Row:
        row = self._store.row("SELECT * FROM obligors WHERE customer_id = ?", customer_id)
        if row is None:
            refuse(f"unknown customer {customer_id}")
        return row

    def _find_override(self, override_id: str) -> Override:
        row = self._store.row("SELECT * FROM overrides WHERE number = ?", number_of(override_id))
        if row is None:
            refuse(f"unknown override {override_id}")
        return _override(row)
