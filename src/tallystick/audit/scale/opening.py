"""The ways into the scale-out store, for a process that may lack its libraries."""

from pathlib import Path
from typing import TYPE_CHECKING

from tallystick.audit.model import Unwritable
from tallystick.terms import TallyError

if TYPE_CHECKING:
    from tallystick.audit.scale.bucket.mirror import Mirrored
    from tallystick.audit.scale.state import ScaleState


def open_scale(directory: Path, options: str, *, initialize: bool) -> "ScaleState":
    """Open the store that `options` (JSON, `Options`) names; raises Unwritable."""
    try:
        from tallystick.audit.scale.state import ScaleState  # noqa: PLC0415 - its libraries are an extra
    except ImportError as error:
        raise Unwritable(_missing(error)) from error
    return ScaleState(directory, options, initialize=initialize)


def mirror(url: str, directory: Path, *, endpoint: str = "", region: str = "", credentials: str = "") -> "Mirrored":
    """Bring a directory up to date with a log at `s3://bucket/prefix/tenant/year`; raises TallyError, OSError.

    Needs no database and no secret but the right to read. `credentials` is a file in the form of ~/.aws/credentials;
    what is empty comes from the machine's AWS configuration.
    """
    try:
        from tallystick.audit.scale.bucket.mirror import mirror_log  # noqa: PLC0415 - its libraries are an extra
    except ImportError as error:
        raise TallyError(code="invalid", message=_missing(error)) from error
    return mirror_log(url, directory, endpoint=endpoint, region=region or "us-east-1", credentials=credentials)


def _missing(error: ImportError) -> str:
    return f"the scale-out store needs {error.name}: pip install 'tallystick[scale]'"
