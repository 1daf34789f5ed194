"""What docs/how-to/context.md shows is what works: its files compile, and what they say is in force."""

import json
import re
from pathlib import Path

import msgspec

from tallystick.settings import Settings, parse_settings
from tallystick.snapshot import Snapshot, compile_snapshot

ROOT = Path(__file__).resolve().parents[3]
_PIN: dict[str, object] = {
    "server": "time",
    "eras": {"2025-11-25": {"capabilities": {"tools": {}}}},
    "tools": [
        {"name": name, "inputSchema": {"type": "object", "properties": {"target_timezone": {"type": "string"}}}}
        for name in ("get_current_time", "convert_time")
    ],
}


def _files(page: str) -> dict[str, bytes]:
    text = (ROOT / "docs" / "how-to" / page).read_text()
    found = re.findall(r"^```(?:yaml|cedar)\n(?:#|//) config/(\S+)\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    return {name: content.encode() for name, content in found}


def test_the_pages_configuration_asks_for_reasons_and_names_whose_data_it_is() -> None:
    files = {**_files("own-servers.md"), **_files("context.md"), "pins/time.json": json.dumps(_PIN).encode()}
    files.pop("development-people.yaml", None)
    snapshot = compile_snapshot(files)
    assert isinstance(snapshot, Snapshot), [str(problem) for problem in snapshot]
    tools = snapshot.routes["servers/time"].tools
    assert {name: tool.reason for name, tool in tools.items()} == {"get_current_time": None, "convert_time": "reason"}
    tool = tools["convert_time"].tool
    assert (tool.subject, tool.retention) == ("target_timezone", "ten-years")
    schema = msgspec.convert(tools["convert_time"].definition["inputSchema"], dict[str, object])
    assert schema["required"] == ["reason"]


def test_the_pages_settings_are_settings() -> None:
    settings = parse_settings({name: text for name, text in _files("context.md").items() if name == "tally.yaml"})
    assert isinstance(settings, Settings)
    assert (settings.audit.levels.high, settings.audit.levels.low) == ("published", "durable")
