"""The documents' rules, applied to this repository: no command that nothing runs, no link that leads nowhere."""

from collections.abc import Iterable
from dataclasses import fields
from pathlib import Path

import pytest

from tallystick.policy.model import METHODS
from tallystick.registry import model
from tests.rules import docs
from tests.rules.source import Violation

ROOT = Path(__file__).resolve().parent.parent

# Command -> the test that runs the same thing, for commands that start programs or need a running gateway.
_OWN = "tests/test_how_tos.py::test_pinning_checking_and_serving_say_what_they_did"
_CALL = "tests/test_how_tos.py::test_a_client_with_the_printed_token_calls_a_tool"
_RECORD = "tests/test_how_tos.py::test_the_record_is_verified_shown_and_proved_as_the_page_says"
_HEALTH = "tests/test_how_tos.py::test_the_health_of_the_servers_is_told_as_the_page_shows"
_SINKS = "tests/export/test_how_to.py::test_the_commands_of_the_page_work_in_their_order"
_KEEPING = "tests/test_how_to_retention.py::test_what_is_held_stays_and_what_is_erased_is_gone_as_the_page_says"
_SCALE = "tests/audit/scale/test_how_to.py::test_a_record_is_kept_elsewhere_and_verified_from_a_copy_as_the_page_says"
_WITNESS = "tests/test_how_tos_of_proof.py::test_a_witness_is_set_up_asked_and_looked_at_as_the_page_says"
_ROTATE = "tests/test_how_tos_of_proof.py::test_the_signing_keys_are_replaced_as_the_page_says"
_PAYLOADS = "tests/cli/test_payloads.py::test_keys_are_shown_rotated_and_rewrapped"
_CLI = "tests/cli/test_how_to_cli.py::test_every_command_of_the_page_does_what_it_says"
_REVIEW = "tests/cli/test_how_to_review.py::test_a_server_and_a_grant_are_reviewed_as_the_page_says"
_IMPORT = "tests/cli/test_control.py::test_servers_of_an_editor_are_brought_in_as_drafts"
PROVEN: dict[str, str] = {
    "tally server import mcp.json --tenant acme --dry-run -o yaml": _IMPORT,
    "tally server import mcp.json --tenant acme --report left-out.json": _IMPORT,
    'tally audit reveal 01KSR492000000000000000001 args --why "complaint 4711"': (
        "tests/cli/test_payloads.py::test_a_payload_is_printed_as_it_was_and_what_is_gone_is_told"
    ),
    "tally audit payload-keys": _PAYLOADS,
    "tally audit rotate-payload-keys": _PAYLOADS,
    "tally audit rewrap-payload-keys": _PAYLOADS,
    "tally audit rewrap-payload-keys --to new-config": (
        "tests/cli/test_payloads.py::test_keys_move_to_transit_and_everything_asks_for_the_new_configuration"
    ),
    "tally witness init --state witness --key-name audit.bank.example/witness": _WITNESS,
    "tally witness add-log --state witness --every-year acme.vkey": _WITNESS,
    "tally witness serve --state witness --listen 127.0.0.1:8443": _WITNESS,
    "tally witness policy --state witness --url http://127.0.0.1:8443 -o witnesses.policy": _WITNESS,
    "tally witness show --state witness": _WITNESS,
    "tally audit verify --witness http://127.0.0.1:8443 --policy witnesses.policy": _WITNESS,
    "tally audit rotate-keys begin": _ROTATE,
    "tally audit rotate-keys end": _ROTATE,
    "tally audit search --person ana --since 2026-01-01": _KEEPING,
    "tally audit search --decision allow --json": _KEEPING,
    "tally audit retention": _KEEPING,
    'tally audit hold place case-12 --matter "Smith v. Bank" --subject ana': _KEEPING,
    "tally audit hold list": _KEEPING,
    "tally audit hold release case-12": _KEEPING,
    'tally audit subject-access --subject ana --why "GDPR Art. 15, request 2026-117" -o ana.jsonl': _KEEPING,
    'tally audit erase --subject ana --basis "GDPR Art. 17(1)(b), request 2026-118" --yes': _KEEPING,
    "tally audit expire": _KEEPING,
    "tally audit cost": _KEEPING,
    (
        "tally audit mirror s3://record/tallystick/acme/2026 copy "
        "--endpoint http://127.0.0.1:8333 --credentials secrets/s3"
    ): _SCALE,
    "tally audit verify copy --vkey trusted.vkey": _SCALE,
    "tally pin --config config": _OWN,
    "tally config check --config config": _OWN,
    "tally up --config config --state state": _OWN,
    "tally token --config config --state state --as ana": _CALL,
    "export TALLY_STATE=state": _RECORD,
    "tally gateway --workers 2 --config config --state state": (
        "tests/test_how_tos.py::test_several_workers_serve_what_the_first_page_configured"
    ),
    "tally health --state state": _HEALTH,
    "tally health --state state --json": _HEALTH,
    "tally audit verify": _RECORD,
    "cp state/audit/acme/*/vkey trusted.vkey": _RECORD,
    "cp state/audit/acme/*/checkpoint kept-checkpoint": _RECORD,
    "tally audit verify --vkey trusted.vkey --since kept-checkpoint": _RECORD,
    "tally audit show 0": _RECORD,
    "tally audit show 0 --raw -o record-0.json": _RECORD,
    "tally audit proof 0 -o record-0.tlog-proof": _RECORD,
    "tally audit verify --proof record-0.tlog-proof --leaf record-0.json --vkey trusted.vkey": _RECORD,
    "tally audit verifier -o tally_verify.py": _RECORD,
    "python tally_verify.py --keys trusted.vkey state/audit/acme/*": _RECORD,
    "python tally_verify.py --keys trusted.vkey --proof record-0.tlog-proof record-0.json": _RECORD,
    "tally audit tail": _RECORD,
    "tally follow status --config config --state state": _SINKS,
    "tally follow status --config config --state state --json": _SINKS,
    "tally follow status --config config --state state --prometheus": _SINKS,
    "tally follow retry --state state soc --list": _SINKS,
    "tally follow retry --state state soc": _SINKS,
    "tally follow replay --state state soc --tenant acme --year 2026 --from-index 0": _SINKS,
    "tally audit events state/audit/acme/2026 --format ocsf --count 5": _SINKS,
    "tally follow trust --config config --state state soc": _SINKS,
    "tally status": _CLI,
    "tally whoami": _CLI,
    "tally role grant owner person=ana": _CLI,
    "tally login --config config --as ana": _CLI,
    "tally server list": _CLI,
    "tally server show time": _CLI,
    "tally tool list": _CLI,
    "tally server definition time": _CLI,
    "tally changes": _CLI,
    "tally review list": _CLI,
    "tally inspect time": _CLI,
    "tally call time get_current_time --arg timezone=Europe/Berlin": _CLI,
    "tally server list --on 2027-01-31": _CLI,
    "tally server diff time --since 2026-01-01": _CLI,
    "tally plan -f wanted --owner git:ledger": _CLI,
    'tally apply -f wanted --owner git:ledger --why "ledger goes live"': _CLI,
    "tally export --owner git:ledger": _CLI,
    "tally server submit ledger --dry-run": _CLI,
    'tally server add notes --tenant acme --purpose "notes of meetings" --at https://notes.acme.example/mcp': _CLI,
    "tally server rm notes --yes": _CLI,
    "tally server list -o json": _CLI,
    "tally server list -o name": _CLI,
    "tally server show time --field status.state": _CLI,
    "tally policy can-i server:approve time": _CLI,
    "tally doctor -o json": _CLI,
    "tally completion bash": _CLI,
    "tally server submit risk": _REVIEW,
    "tally server definition risk": _REVIEW,
    (
        "tally server approve risk --definition sha256:6f1c... "
        '--comment "seen in the committee of May 4" --expires 2027-05-04T00:00:00Z'
    ): _REVIEW,
    'tally server reject risk --comment "no support contact"': _REVIEW,
    'tally server suspend risk --comment "incident 4711"': _REVIEW,
    'tally server reinstate risk --definition sha256:6f1c... --comment "fixed in 2.4.1"': _REVIEW,
    'tally server renew risk --definition sha256:91aa... --comment "yearly review"': _REVIEW,
    (
        "tally grant request month-end --toolset desk --to person=anna "
        '--purpose "closing of May" --expires 2027-06-30T18:00:00Z'
    ): _REVIEW,
    "tally grant approve month-end": _REVIEW,
    'tally grant revoke month-end --comment "left the desk"': _REVIEW,
}

# The tutorial is followed from its first line to its last: whatever command it shows is run.
_PILOT = "docs/tutorials/pilot.md"
PROVEN.update(
    (command.text, "tests/test_pilot.py::test_the_pilot_is_as_its_page_says")
    for block in docs.blocks(ROOT)
    if block.where == _PILOT
    for command in docs.commands(block)
    if not command.text.startswith(tuple(docs.NOT_RUN))
)


def _expect_none(violations: Iterable[Violation]) -> None:
    if broken := [str(violation) for violation in violations]:
        pytest.fail("\n".join(broken), pytrace=False)


def test_every_fence_says_its_language() -> None:
    _expect_none(docs.fences(ROOT))


def test_every_link_resolves() -> None:
    _expect_none(docs.links(ROOT))


def test_every_word_is_defined_once() -> None:
    _expect_none(docs.glossary(ROOT))


def test_every_decision_record_names_its_check() -> None:
    _expect_none(docs.decision_records(ROOT))


def test_every_command_is_run_by_something() -> None:
    _expect_none(docs.proofs(ROOT, PROVEN))


def test_every_named_proof_is_used() -> None:
    written = {command.text for block in docs.blocks(ROOT) for command in docs.commands(block)}
    assert set(PROVEN) <= written, f"no document shows: {sorted(set(PROVEN) - written)}"


def test_commands_print_what_the_documents_show(tmp_path: Path) -> None:
    """Commands of one document share a folder, in the order of the document."""
    broken: list[Violation] = []
    for block in docs.blocks(ROOT):
        folder = tmp_path / block.where.replace("/", "-")
        folder.mkdir(exist_ok=True)
        for command in docs.commands(block):
            if command.text not in PROVEN and docs.is_run_here(command):
                broken += docs.run(command, folder)
    _expect_none(broken)


def test_the_configuration_page_names_all_that_can_be_written() -> None:
    entries = (model.Tenant, model.IssuerEntry, model.HttpTransport, model.StdioTransport, model.Limits, model.Member)
    words = {field.name for entry in entries for field in fields(entry)} - {"name"}
    known = {*words, *METHODS, *model.OPERATIONS, *model.RISKS}
    text = (ROOT / "docs/configuration.md").read_text()
    assert sorted(word for word in known if f"`{word}" not in text and f"{word}`" not in text) == []
