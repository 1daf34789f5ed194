"""The demo: drives the demo bank behind Tallystick as its users would, and tells what happened.

It uses the product from outside: the command `tally` in processes of its own, and the official MCP client. Of the
package `tallystick` it reads the record through the offline door of `audit`, and nothing else; it must never reach
into a running gateway, and the bank's servers must never import it.
"""

from tallystick_demo_bank.demo.model import DemoError
from tallystick_demo_bank.demo.run import run
from tallystick_demo_bank.demo.stand import Stand, stand

__all__ = ["DemoError", "Stand", "run", "stand"]
