"""The risk database server: exposures, ratings, limits, stress tests and manual overrides over Streamable HTTP."""

from mcp.server.mcpserver import MCPServer

from tallystick_demo_bank.ratings import Ratings
from tallystick_demo_bank.risk_runs import Runs
from tallystick_demo_bank.seed.risk import fill
from tallystick_demo_bank.serve import ADDS, COMPUTES, DESTROYS, READS, SETS, new_server, run
from tallystick_demo_bank.store import Store

INSTRUCTIONS = (
    "Credit risk database of the demo bank. All amounts are euro cents. "
    "run_stress_test and rebuild_exposure_cache take a while and report progress; both can be cancelled."
)


def build(store: Store) -> MCPServer:
    """Return the server over a store, which is created and seeded when it is new."""
    store.prepare("risk_database", fill)
    desk, runs = Ratings(store), Runs(store)
    entries = (
        (desk.get_exposure, "Show exposures", READS),
        (desk.get_rating, "Show a rating", READS),
        (desk.list_limits, "List limits", READS),
        (desk.get_limit, "Show a limit", READS),
        (desk.list_breaches, "List breached limits", READS),
        (desk.list_overrides, "List overrides", READS),
        (desk.set_limit, "Set a limit", SETS),
        (desk.record_override, "Override a rating", DESTROYS),
        (desk.delete_override, "Delete an override", DESTROYS),
        (runs.calculate_var, "Calculate value at risk", READS),
        (runs.run_stress_test, "Run a stress test", ADDS),
        (runs.rebuild_exposure_cache, "Rebuild the exposure cache", COMPUTES),
    )
    return new_server("risk-database", "Risk database", INSTRUCTIONS, store, entries)


if __name__ == "__main__":
    run("risk_database", build)
