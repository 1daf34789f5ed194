"""The way into the scale-out store, for a process that may lack its libraries."""

from pathlib import Path
from typing import TYPE_CHECKING

from tallystick.audit.model import Unwritable

if TYPE_CHECKING:
    from tallystick.audit.scale.state import ScaleState


def open_scale(directory: Path, options: str, *, initialize: bool) -> "ScaleState":
    """Open the store that `options` (JSON, `Options`) names; raises Unwritable."""
    try:
        from tallystick.audit.scale.state import ScaleState  # noqa: PLC0415 - its libraries are an extra
    except ImportError as error:
        message = f"the scale-out store needs {error.name}: pip install 'tallystick[scale]'"
        raise Unwritable(message) from error
    return ScaleState(directory, options, initialize=initialize)
