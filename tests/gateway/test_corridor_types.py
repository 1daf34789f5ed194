"""A skipped room does not type-check: pyright on short corridors, one of them whole, each other one without a room."""

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import msgspec
import pytest

from tests.requirements import requirement
from tests.rules.plant import ROOT

_HEAD = """from tallystick.gateway import Rooms, answer, steps
from tallystick.gateway.tickets import (
    Answer, Answered, Authorized, Cleared, Identified, Intended, Received, Routed, ServerTarget, ToolTarget
)
from tallystick.terms import Refusal


async def travel(
    rooms: Rooms,
    received: Received,
    identified: Identified,
    routed: Routed,
    authorized: Authorized,
    cleared: Cleared,
    intended: Intended,
    answered: Answered,
) -> None:
"""
_STRAIGHT = """    a: Identified | Refusal = await steps.identify(rooms, received)
    b: Routed | Refusal = steps.route(rooms, identified)
    c: Authorized | Refusal = steps.authorize(rooms, routed)
    d: Cleared | Refusal = steps.clear(authorized)
    e: Intended | Refusal = await steps.intend(rooms, cleared)
    f: Answered = await steps.send(rooms, intended)
    g: Answer = await answer.answer(rooms, answered)
    print(a, b, c, d, e, f, g)
"""
SKIPS = {
    "identity": "    steps.route(rooms, received)\n",
    "the snapshot": "    steps.authorize(rooms, identified)\n",
    "policy": "    steps.clear(routed)\n",
    "approvals": "    await steps.intend(rooms, authorized)\n",
    "the intent": "    await steps.send(rooms, cleared)\n",
    "policy, approvals and the intent": "    await steps.send(rooms, routed)\n",
    "the server": "    await answer.answer(rooms, intended)\n",
    "the look at a refusal": "    found = await steps.identify(rooms, received)\n    steps.route(rooms, found)\n",
    "who asks": "    Identified(received, None, None)\n",
    "the decision": "    Authorized(routed, None, None)\n",
    "the tool's pin": "    Routed(identified, routed.snapshot, routed.route, ToolTarget('echo', {}, {}))\n",
}


@pytest.fixture(scope="module")
def complaints(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, list[str]]:
    """Check all corridors in one run: name of the file to the rules it breaks."""
    folder = tmp_path_factory.mktemp("corridors")
    files = {"straight": _STRAIGHT, **SKIPS}
    for name, body in files.items():
        (folder / f"{_stem(name)}.py").write_text(_HEAD + body)
    settings = {"include": ["."], "extraPaths": [str(ROOT / "src")], "typeCheckingMode": "standard"}
    (folder / "pyrightconfig.json").write_text(json.dumps(settings))
    command = [sys.executable, "-m", "pyright", "--outputjson", "--pythonpath", sys.executable, "-p", str(folder)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    report = msgspec.json.decode(ran.stdout, type=dict[str, object])
    found: dict[str, list[str]] = {_stem(name): [] for name in files}
    for entry in msgspec.convert(report["generalDiagnostics"], list[dict[str, object]]):
        found[Path(str(entry["file"])).stem].append(str(entry["rule"]))
    return found


def _stem(name: str) -> str:
    return "without_" + "_".join(part for part in name.replace("'", " ").replace(",", " ").split())


@requirement("corridor:types:whole")
def test_the_whole_corridor_type_checks(complaints: Mapping[str, list[str]]) -> None:
    assert complaints[_stem("straight")] == []


@requirement("corridor:types:skipped")
@pytest.mark.parametrize("room", SKIPS)
def test_a_corridor_without_a_room_does_not(complaints: Mapping[str, list[str]], room: str) -> None:
    assert complaints[_stem(room)] == ["reportArgumentType"]
