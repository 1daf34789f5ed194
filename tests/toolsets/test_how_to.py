"""The how-to page about toolsets: its files are read, and each does what the page says of it."""

import re
from pathlib import Path

from tallystick.registry import Registry
from tallystick.registry.reading import parse
from tallystick.settings import parse_document
from tallystick.toolsets import Publication, publish
from tests.toolsets.bank import PAY, Json, names, said, tool

PAGE = Path(__file__).resolve().parent.parent.parent / "docs" / "how-to" / "toolsets.md"
CASES: Json = tool("list_cases", outputSchema={"type": "object"})


def _server(**tools: Json) -> Json:
    return {"tenant": "retail", "transport": {"http": {"url": "https://a.example/mcp"}}, "tools": tools}


READ: Json = {"operation": "read", "risk": "low"}
DOCUMENTS: dict[str, Json] = {
    "tenants/retail.yaml": {},
    "servers/bank.yaml": _server(get_account=READ, pay={"operation": "write", "risk": "high"}, dump_raw=READ),
    "servers/risk.yaml": _server(list_cases={**READ, "risk": "medium"}, score={**READ, "labels": ["internal"]}),
    "servers/core-1.yaml": _server(balance={"operation": "read", "risk": "high", "labels": ["accounts"]}),
    "pins/bank.json": {
        "tools": [tool("get_account"), PAY, tool("dump_raw")],
        "prompts": [{"name": "greet"}, {"name": "other"}],
        "resource_templates": [{"uriTemplate": "bank://rates/{name}", "name": "rates"}],
    },
    "pins/risk.json": {"tools": [CASES, tool("score")]},
    "pins/core-1.json": {"tools": [tool("balance")]},
}


def _publications() -> dict[str, Publication]:
    documents = {**DOCUMENTS}
    for name, text in re.findall(r"^```yaml\n# config/(\S+)\n(.*?)^```", PAGE.read_text(), re.DOTALL | re.MULTILINE):
        document = parse_document(name, text.encode())
        assert isinstance(document, dict), document
        documents[name] = document
    known = parse(documents)
    assert isinstance(known, Registry), [str(problem) for problem in known]
    published = publish(known)
    assert not isinstance(published, tuple), said(published)
    return {**published}


def test_the_files_of_the_page_do_what_it_says() -> None:
    published = _publications()
    tellers, till = published["toolsets/tellers"], published["toolsets/till"]
    assert names(tellers) == ["bank__get_account", "bank__pay", "risk__list_cases", "core-1__balance"]
    assert [prompt.name for prompt in tellers.prompts] == ["bank__greet"]
    assert tellers.resources.find("bank://rates/chf") == "bank"
    assert names(till) == ["get_account", "pay_small", "dump_raw", "list_cases", "score"]
    pay = next(entry for entry in till.tools if entry.name == "pay_small")
    assert (pay.tool, pay.fixed) == ("pay", {"currency": "CHF"})
    assert [prompt.name for prompt in till.prompts] == ["welcome"]
    assert next(entry.trim for entry in till.tools if entry.name == "list_cases") is not None
    entrance = published["toolsets/month-end"].entrance
    assert entrance is not None
    assert [(grant.name, grant.tools) for grant in entrance.grants] == [("audit-week", ("bank__get_account",))]
