"""Starting a witness's server."""

from pathlib import Path
from time import CLOCK_REALTIME, clock_gettime
from typing import TYPE_CHECKING

from tallystick.audit.witness.decide import Witness
from tallystick.audit.witness.state import WitnessState
from tallystick.terms import Clock

if TYPE_CHECKING:
    from tallystick.audit.witness.serve import WitnessServer


def _realtime() -> float:
    return clock_gettime(CLOCK_REALTIME)


def listen(
    state: WitnessState, address: tuple[str, int], *, tls: tuple[Path, Path] | None = None, clock: Clock = _realtime
) -> "WitnessServer":
    """Listen for the witness of this state, which nobody else may serve meanwhile; port 0 takes any free one.

    `tls` names the files of a certificate chain and its key. Raises WitnessError or OSError. `serve_forever` answers.
    """
    from tallystick.audit.witness.serve import (  # noqa: PLC0415 - the gateway imports this room and serves no witness
        WitnessServer,
    )

    state.lock()
    return WitnessServer(address, Witness(state, clock), tls)
