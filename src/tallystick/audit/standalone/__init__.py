"""The verifier as one file that an auditor can read in one sitting: it shares no code with the rest, on purpose.

Never in here: an import of anything but the standard library and `cryptography`.
"""

from pathlib import Path
from typing import Final

VERIFIER: Final = Path(__file__).with_name("tally_verify.py")
"""The file, which runs wherever Python 3.11 and `cryptography` are."""

__all__ = ["VERIFIER"]
