"""The detections as queries of each SIEM, as files: `python -m tests.export.detections.compiled` writes them anew."""

from collections.abc import Callable
from functools import cache
from pathlib import Path

from tallystick.export.formats import Event
from tallystick.export.formats.derived.ecs import document
from tallystick.export.formats.derived.sentinel import row
from tallystick.export.formats.leaf import is_object
from tests.export.detections.cases import CASES, flat
from tests.export.formats.places import ROOT, ask

FOLDER = ROOT / "src/tallystick/export/detections"
FORMS: dict[str, Callable[[Event], Event]] = {"splunk": dict, "elastic": document, "sentinel": row}
"""What each SIEM holds of an event."""
ENDS = {"splunk": "spl", "elastic": "esql", "sentinel": "kql"}


def rules() -> dict[str, str]:
    """Name of each rule -> its YAML."""
    return _texts(FOLDER / "rules")


@cache
def answer() -> dict[str, object]:
    """What the compilers of Sigma make of the rules, and what the compiled SQL finds among the events."""
    events = {
        siem: {
            name: {case: [flat(form(event)) for event in found] for case, found in cases.items()}
            for name, cases in CASES.items()
        }
        for siem, form in FORMS.items()
    }
    found = ask("detect", {"rules": rules(), "pipelines": _texts(FOLDER / "pipelines"), "events": events})
    assert is_object(found)
    return found


def files() -> dict[str, str]:
    """Path below the folder of detections -> query."""
    queries = answer()["compiled"]
    assert is_object(queries)
    found: dict[str, str] = {}
    for siem, end in ENDS.items():
        compiled = queries[siem]
        assert is_object(compiled)
        found.update({f"compiled/{siem}/{name}.{end}": str(query) for name, query in compiled.items()})
    return found


def _texts(folder: Path) -> dict[str, str]:
    return {path.stem: path.read_text() for path in sorted(folder.glob("*.yml"))}


if __name__ == "__main__":
    for place, text in files().items():
        (FOLDER / place).parent.mkdir(parents=True, exist_ok=True)
        (FOLDER / place).write_text(text)
