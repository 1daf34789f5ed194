"""The demo bank: three MCP servers on the official SDK over SQLite, and the configuration directory that governs them.

Everything in it is invented: names, addresses, IBANs (valid check digits on bank codes that no bank has), LEIs,
tickets. The servers must never import `tallystick`: they stand for software that knows nothing of a control plane.
Only `demo`, which drives the whole as its users would, reads the record with it.

    python -m tallystick_demo_bank.core_banking  --port 0 --db core.sqlite
    python -m tallystick_demo_bank.risk_database --port 0 --db risk.sqlite
    python -m tallystick_demo_bank.ticketing     --stdio  --db tickets.sqlite
"""

from pathlib import Path

__all__ = ["config_directory"]


def config_directory(*, node: bool = False) -> Path:
    """Return the directory with the demo's configuration; `node` returns the additions that need Node.js."""
    return Path(__file__).parent / ("config-node" if node else "config")
