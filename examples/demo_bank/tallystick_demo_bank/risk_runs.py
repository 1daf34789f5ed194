"""Risk database: computations that take a while, report progress and can be cancelled."""

import json
import math
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Annotated, Literal

import anyio
from mcp.server.mcpserver import Context
from pydantic import Field

from tallystick_demo_bank.risk_model import RebuildResult, SectorLoss, StressResult, ValueAtRisk
from tallystick_demo_bank.seed.risk import REBUILD
from tallystick_demo_bank.store import Store

Scenario = Literal["rates_up_300bp", "energy_shock", "property_slump", "cyber_outage"]
# Scenario -> sector -> multiplier of the default probability; a sector not named keeps 1.
_SHOCKS = {
    "rates_up_300bp": {"real_estate": 4, "private": 3, "funds": 2, "hospitality": 2},
    "energy_shock": {"energy": 5, "manufacturing": 4, "logistics": 3, "shipping": 3, "agriculture": 2},
    "property_slump": {"real_estate": 6, "private": 3, "infrastructure": 2},
    "cyber_outage": {"services": 4, "logistics": 3, "healthcare": 3, "retail": 2},
}
_QUANTILES = {"95": 1.6449, "99": 2.3263, "99.9": 3.0902}
_LOSSES = """
    SELECT o.sector, SUM(MIN(10000, r.default_probability_bp * ?) * e.loss_given_default_bp
                         * MAX(0, e.exposure_at_default_minor - e.collateral_minor) / 100000000) AS loss_minor
      FROM exposures e JOIN obligors o USING (customer_id) JOIN ratings r USING (customer_id)
     WHERE o.sector = ? GROUP BY o.sector
"""


class Runs:
    """The tools that compute."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def calculate_var(
        self,
        confidence: Annotated[Literal["95", "99", "99.9"], Field(description="Confidence level in percent")] = "99",
        horizon_days: Annotated[int, Field(ge=1, le=250, description="Holding period in trading days")] = 10,
    ) -> ValueAtRisk:
        """Calculate the parametric value at risk of the credit book."""
        expected = sum(self._loss(sector, 1) for sector in self._sectors())
        scale = _QUANTILES[confidence] * math.sqrt(horizon_days / 250)
        return ValueAtRisk(
            confidence_percent=float(confidence),
            horizon_days=horizon_days,
            expected_loss_minor=expected,
            value_at_risk_minor=round(expected * scale),
        )

    async def run_stress_test(
        self,
        ctx: Context,
        scenario: Scenario,
        severity: Annotated[int, Field(ge=1, le=5, description="1 is mild, 5 is extreme")] = 3,
        pause_ms: Annotated[int, Field(ge=0, le=5000, description="Pause per sector, in milliseconds")] = 25,
    ) -> StressResult:
        """Run a stress test sector by sector. It reports progress after each and stops when it is cancelled."""
        sectors = self._sectors()
        found: list[SectorLoss] = []
        async with self._running("stress_test", {"scenario": scenario, "severity": severity}) as run:
            for step, sector in enumerate(sectors, start=1):
                await anyio.sleep(pause_ms / 1000)
                factor = 1 + (_SHOCKS[scenario].get(sector, 1) - 1) * severity // 3
                found.append(SectorLoss(sector=sector, loss_minor=self._loss(sector, factor)))
                self._store.write("UPDATE runs SET steps_done = ? WHERE number = ?", step, run)
                await ctx.report_progress(step, len(sectors), f"sector {sector}")
        loss = sum(sector.loss_minor for sector in found)
        return StressResult(run=run, scenario=scenario, severity=severity, loss_minor=loss, sectors=found)

    async def rebuild_exposure_cache(
        self,
        ctx: Context,
        seconds: Annotated[int, Field(ge=0, le=120, description="How long the rebuild takes, in seconds")] = 5,
    ) -> RebuildResult:
        """Rebuild the totals that limits are compared with. Until the end nothing changes; then everything does."""
        steps = max(1, seconds * 5)
        async with self._running("exposure_cache", {"seconds": seconds}) as run:
            for step in range(1, steps + 1):
                await anyio.sleep(seconds / steps)
                self._store.write("UPDATE runs SET steps_done = ? WHERE number = ?", step, run)
                await ctx.report_progress(step, steps, f"part {step} of {steps}")
            with self._store.transaction():
                self._store.write("DELETE FROM exposure_cache")
                self._store.write(REBUILD)
        count = self._store.number("SELECT COUNT(*) FROM exposure_cache")
        total = self._store.number("SELECT SUM(total_minor) FROM exposure_cache")
        return RebuildResult(run=run, customers=count, total_minor=total)

    @asynccontextmanager
    async def _running(self, kind: str, parameters: dict[str, object]) -> AsyncGenerator[int]:
        """Keep a row that says how the run ended; one killed with the process stays 'running'."""
        sql = "INSERT INTO runs (kind, parameters, status) VALUES (?, ?, 'running')"
        run = self._store.write(sql, kind, json.dumps(parameters))
        try:
            yield run
        except anyio.get_cancelled_exc_class():
            self._store.write("UPDATE runs SET status = 'cancelled' WHERE number = ?", run)
            raise
        self._store.write("UPDATE runs SET status = 'completed' WHERE number = ?", run)

    def _sectors(self) -> list[str]:
        return [str(row["sector"]) for row in self._store.rows("SELECT DISTINCT sector FROM obligors ORDER BY sector")]

    def _loss(self, sector: str, factor: int) -> int:
        row = self._store.row(_LOSSES, factor, sector) or {}
        loss = row.get("loss_minor")
        return loss if isinstance(loss, int) else 0
