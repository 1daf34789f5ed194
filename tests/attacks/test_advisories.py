"""The table of advisories and the tests agree: no advisory without a row, no row without its test or its reason."""

import ast
import re
from collections.abc import Iterator
from typing import Final, NamedTuple

import pytest

from tests.interaction.configuration import ROOT
from tests.rules.docs import names_a_test

PAGE: Final = ROOT / "docs/security/advisories.md"
_ID: Final = re.compile(r"GHSA(?:-[0-9a-z]{4}){3}|CVE-\d{4}-\d+|RUSTSEC-\d{4}-\d+|incident:[a-z-]+")

_KNOWN: Final = (
    "CVE-2025-49596 CVE-2025-53365 CVE-2025-53366 CVE-2025-62800 CVE-2025-64443 CVE-2025-6514 CVE-2025-66414 "
    "CVE-2025-66416 CVE-2025-69196 CVE-2026-0621 CVE-2026-103758 CVE-2026-104850 CVE-2026-105138 CVE-2026-105139 "
    "CVE-2026-12773 CVE-2026-14471 CVE-2026-19516 CVE-2026-25536 CVE-2026-26118 CVE-2026-27124 CVE-2026-27896 "
    "CVE-2026-29791 CVE-2026-34742 CVE-2026-35029 CVE-2026-35030 CVE-2026-42208 CVE-2026-42271 CVE-2026-44430 "
    "CVE-2026-48710 CVE-2026-49468 CVE-2026-52869 CVE-2026-52870 CVE-2026-53708 CVE-2026-55887 CVE-2026-59822 "
    "CVE-2026-59823 CVE-2026-59950 CVE-2026-67430 CVE-2026-76092 CVE-2026-76093 CVE-2026-76094 CVE-2026-76095 "
    "CVE-2026-76097 CVE-2026-76099 CVE-2026-84377 GHSA-2gjv-f568-6cxp GHSA-345p-7cg4-v4c7 GHSA-46gc-mwh4-cc5r "
    "GHSA-4gph-2hhr-5mwg GHSA-5h2m-4q8j-pqpj GHSA-5h93-6whr-6q8j GHSA-6m8f-w97w-99h7 GHSA-7488-6r32-c95q "
    "GHSA-79qc-vqfr-xx5q GHSA-9h52-p55h-vw2f GHSA-9hgc-g3w5-67cm GHSA-9v4w-3mqh-6vmm GHSA-c2jp-c369-7pvx "
    "GHSA-c7vv-9h9c-fvj4 GHSA-g53w-w6mj-hrpp GHSA-g7j8-wp7h-wmgr GHSA-g879-4j4f-6vj7 GHSA-gc9p-rmpx-vv9j "
    "GHSA-h4mf-84xq-q2fc GHSA-hqg7-qjgg-q779 GHSA-hvrp-rf83-w775 GHSA-jj4w-pfgv-4mrm GHSA-jjhc-v7c2-5hh6 "
    "GHSA-jpw9-pfvf-9f58 GHSA-m5m2-mrxf-7j7q GHSA-mqq5-qh4g-2g8g GHSA-mvgg-jvj2-4frq GHSA-pr64-jmmf-jp54 "
    "GHSA-q5wf-87f5-cxgq GHSA-qg2g-g9w3-m5h8 GHSA-qx49-fqc8-xw99 GHSA-r2xf-7jw5-pjg6 GHSA-r75f-5x8p-qvmc "
    "GHSA-rvq5-wwqv-78pq GHSA-rwrf-2pqf-9j8j GHSA-rww4-4w9c-7733 GHSA-v2x6-wwfw-r2rq GHSA-vc62-q48c-5cmw "
    "GHSA-vj7q-gjh5-988w GHSA-vv7q-7jx5-f767 GHSA-vwf3-4xxj-qg6h GHSA-w4fh-qvv9-3v23 GHSA-xhpw-65qw-wj6m "
    "GHSA-xm98-3vcf-fph7 GHSA-xwmw-prc4-v3cr RUSTSEC-2026-0189 "
)
KNOWN: Final = frozenset(_KNOWN.split())
"""Advisories on MCP gateways, on the SDKs and on ToolHive that were public when this was written."""


class Row(NamedTuple):
    """One row of the page."""

    names: tuple[str, ...]
    applies: str
    tests: tuple[str, ...]
    reason: str


def _rows() -> Iterator[Row]:
    for line in PAGE.read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("| ") and len(cells) == 6 and cells[0] not in ("advisory", "---"):
            tests = tuple(re.findall(r"`(tests/[^`]+)`", cells[4]))
            yield Row(tuple(cells[0].split(", ")), cells[3], tests, cells[5])


ROWS: Final = list(_rows())


def _spelled(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "_", name.lower())


def test_every_known_advisory_has_exactly_one_row() -> None:
    listed = [name for row in ROWS for name in row.names]
    assert KNOWN - set(listed) == set()
    # One advisory may stand with its own bug and with the products that shared it, never twice with the same id alone.
    assert len(ROWS) == len({row.names for row in ROWS})


@pytest.mark.parametrize("row", ROWS, ids=[row.names[0] for row in ROWS])
def test_a_row_names_its_tests_or_says_why_there_is_nothing_to_test(row: Row) -> None:
    assert row.applies in ("yes", "partly", "no", "not yet")
    assert row.tests or (row.applies in ("no", "not yet") and len(row.reason) > 20)
    assert row.applies == "yes" or row.reason != "-"
    for test in row.tests:
        assert names_a_test(ROOT, test), test


@pytest.mark.parametrize("row", ROWS, ids=[row.names[0] for row in ROWS])
def test_the_id_of_an_advisory_stands_in_the_id_of_its_test(row: Row) -> None:
    attacks = [test for test in row.tests if test.startswith("tests/attacks/")]
    for test in attacks:
        # In the test's name, in its decorators, or among the cases of its file.
        text = (ROOT / test.partition("::")[0]).read_text()
        assert any(name in text or _spelled(name) in text for name in row.names), test


def test_every_advisory_that_a_test_names_has_a_row() -> None:
    listed = {name for row in ROWS for name in row.names}
    for file in sorted((ROOT / "tests/attacks").glob("test_*.py")):
        if file.name == "test_advisories.py":
            continue
        strings = [node.value for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Constant)]
        named = {name for text in strings if isinstance(text, str) for name in _ID.findall(text)}
        assert named - listed == set(), file.name
