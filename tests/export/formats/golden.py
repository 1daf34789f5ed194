"""What each format makes of each sample, as files: `python -m tests.export.formats.golden` writes them anew."""

from pathlib import Path

from tallystick.export.formats import FORMATS, otlp_request
from tests.export.formats.samples import events

FOLDER = Path(__file__).with_name("golden")


def files() -> dict[str, bytes]:
    """Name of each golden file -> its bytes: one event after the other, in the order of the samples."""
    found = {
        f"{name}.txt": b"".join(_lines(format_(event)) for event in events().values())
        for name, format_ in FORMATS.items()
    }
    records = [FORMATS["otlp"](event) for event in events().values()]
    found["otlp-request.json"] = otlp_request(records) + b"\n"
    return found


def _lines(text: bytes) -> bytes:
    return text if text.endswith(b"\n") else text + b"\n"


if __name__ == "__main__":
    for file, content in files().items():
        (FOLDER / file).write_bytes(content)
