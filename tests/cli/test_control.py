"""Commands about control state, each through a real console: what they print, what they change, how they end."""

import csv
import io
from collections.abc import Generator
from pathlib import Path

import pytest

from tallystick.cli.output import at
from tests.api.stage import Stage, console
from tests.cli.desk import Desk, documents, in_days

SERVER: dict[str, object] = {
    "transport": {"http": {"url": "https://8.8.8.8/mcp"}},
    "title": "Rates",
    "purpose": "rates",
}


def document(kind: str, name: str, tenant: str, spec: dict[str, object]) -> dict[str, object]:
    """Return a document as it stands in a repository."""
    metadata = {"name": name, "tenant": tenant}
    return {"apiVersion": "tallystick.dev/v1", "kind": kind, "metadata": metadata, "spec": spec}


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Generator[Stage]:
    """A console with everybody's roles, and one approved server."""
    with console(tmp_path_factory.mktemp("console")) as running:
        running.approved("risk", "bank")
        running.approved("ledger", "fund")
        yield running


@pytest.fixture
def desk(stage: Stage, tmp_path: Path) -> Desk:
    """The operator's terminal, at the socket of the machine."""
    return Desk(tmp_path, TALLY_URL=f"unix:{stage.socket}")


def signed_in(stage: Stage, home: Path, person: str) -> Desk:
    """Return the terminal of somebody who signed in with a token."""
    home.mkdir()
    desk = Desk(home)
    desk.done("login", f"http://127.0.0.1:{stage.port}", "--token-stdin", typed=stage.token(person))
    return desk


def test_a_list_is_the_same_in_every_form(desk: Desk) -> None:
    found = desk.done("server", "list", "--tenant", "bank", "-o", "json")
    (risk,) = [one for one in found.items() if at(one, "metadata.name") == "risk"]
    assert set(risk) == {"apiVersion", "kind", "metadata", "spec", "status"}
    assert found.json()["apiVersion"] == "tallystick.dev/v1"
    assert "risk" in desk.done("server", "list", "--tenant", "bank", "-o", "name").out.split()
    rows = list(csv.DictReader(io.StringIO(desk.done("server", "list", "--tenant", "bank", "-o", "csv").out)))
    assert [row["state"] for row in rows if row["name"] == "risk"] == ["approved"]
    table = desk.done("server", "list", "--tenant", "bank").out.splitlines()
    assert table[0].split()[:3] == ["NAME", "TENANT", "STATE"]
    assert desk.done("server", "show", "risk", "--field", "spec.title").out == "Risk\n"
    assert desk.done("server", "list", "--in", "retired").out == ""


def test_what_is_shown_as_yaml_can_be_applied_again(desk: Desk) -> None:
    desk.done("server", "add", "again", "--tenant", "bank", "--at", "https://8.8.8.8/again", "--title", "Again: 1")
    shown = desk.done("server", "show", "again", "-o", "yaml").out
    assert desk("plan", "-f", "-", typed=shown).code == 0
    assert desk("plan", "-f", "-", typed=shown.replace("Again: 1", "Other")).code == 6


def test_a_plan_that_would_change_something_ends_with_six(desk: Desk, tmp_path: Path) -> None:
    with documents(tmp_path, document("Server", "rates", "bank", SERVER)) as file:
        assert desk("plan", "-f", file).code == 6
        assert desk("diff", "-f", file, "-o", "json").json()["kind"] == "Plan"
        assert desk.done("apply", "-f", file, "--dry-run").err.endswith("1 to change (dry run: nothing was changed)\n")
        assert desk("server", "show", "rates").code == 3
        desk.done("apply", "-f", file, "--owner", "git:rates")
        assert desk.done("plan", "-f", file, "--owner", "git:rates").code == 0
        assert desk("plan", "-f", file, "--prune").code == 2
    assert desk.done("server", "show", "rates", "--field", "metadata.owner").out == "git:rates\n"
    with documents(tmp_path, document("Tenant", "bank", "bank", {"title": "Bank"})) as file:
        refused = desk("apply", "-f", file, "--owner", "git:rates", "--prune", "--take-over")
        assert (refused.code, "Say --yes" in refused.err) == (2, True)
    exported = desk.done("export", "--kind", "server", "--owner", "git:rates").out
    assert "name: rates" in exported
    assert desk("export", "--kind", "sever").code == 2


def test_a_folder_as_tally_up_reads_it_is_declared_too(desk: Desk, tmp_path: Path) -> None:
    (tmp_path / "d" / "tenants").mkdir(parents=True)
    (tmp_path / "d" / "tenants" / "shop.yaml").write_text("title: Shop\n")
    desk.done("apply", "-f", str(tmp_path / "d"))
    assert desk.done("tenant", "show", "shop", "--field", "spec.title").out == "Shop\n"
    (tmp_path / "d" / "tenants" / "shop.yaml").write_text("titel: Shop\n")
    wrong = desk("plan", "-f", str(tmp_path / "d"))
    assert wrong.code == 2
    assert "tenants/shop.yaml" in wrong.err


def test_a_server_goes_its_way_from_draft_to_retired(stage: Stage, desk: Desk, tmp_path: Path) -> None:
    added = desk.done(
        "server", "add", "fx", "--tenant", "bank", "--at", "https://8.8.8.8/fx", "--owner", "ann", "--team", "desk"
    )
    assert "tally server scan fx" in added.err
    assert desk("server", "submit", "fx").code == 7, "no purpose yet"
    with documents(
        tmp_path, document("Server", "fx", "bank", {**SERVER, "owner": {"person": "ann", "team": "fx"}})
    ) as file:
        desk.done("apply", "-f", file)
    assert desk.done("server", "submit", "fx", "--dry-run").err.endswith("nothing was changed)\n")
    desk.done("server", "submit", "fx")
    waiting = desk.done("review", "list", "-o", "json").items()
    assert [one["next"] for one in waiting] == ["tally server approve fx"]
    refused = desk("server", "approve", "fx", "--comment", "fine", "--definition", f"sha256:{'0' * 64}")
    assert refused.code == 7
    assert "four_eyes" in refused.err
    desk.done("server", "reject", "fx", "--comment", "no contact")
    desk.done("server", "retire", "fx", "--comment", "given up")
    steps = [one["to"] for one in desk.done("server", "reviews", "fx", "-o", "json").items()]
    assert steps[-1] == "retired"
    history = desk.done("server", "history", "fx", "-o", "json").items()
    assert [history[0]["what"], history[-1]["what"]] == ["created", "draft -> retired"]


def test_a_server_is_suspended_at_once_and_its_reasons_are_kept(desk: Desk) -> None:
    desk.done("server", "suspend", "ledger", "--comment", "incident")
    assert desk.done("server", "show", "ledger", "--field", "status.state").out == "suspended\n"
    refused = desk("server", "reinstate", "ledger", "--comment", "fixed")
    assert (refused.code, "tally" in refused.err) == (7, True)


def test_to_remove_something_its_name_is_typed_or_yes_is_said(desk: Desk) -> None:
    desk.done("server", "add", "gone", "--tenant", "bank", "--", "prog", "--flag")
    assert desk("server", "rm", "gone").code == 2
    desk.done("server", "rm", "gone", "--dry-run")
    desk.done("server", "rm", "gone", "--yes", "--why", "a try")
    unknown = desk("server", "show", "gone")
    assert unknown.code == 3
    assert "next: see what there is" in unknown.err


def test_tools_are_found_and_shown(desk: Desk) -> None:
    assert [one["tool"] for one in desk.done("tool", "list", "pay", "--tenant", "bank", "-o", "json").items()] == [
        "pay"
    ]
    assert desk.done("server", "tools", "risk", "-o", "csv").out.splitlines()[1].startswith("pay,")
    assert "risk" in desk.done("server", "search", "risk", "--servers", "-o", "name").out
    assert desk.done("tool", "show", "risk", "pay", "--field", "definition.description").out == "Pays.\n"
    assert desk("tool", "show", "risk", "pya").code == 3


def test_what_a_server_says_is_shown_and_nobody_can_ask_it_here(desk: Desk) -> None:
    shown = desk.done("server", "definition", "risk", "-o", "json").json()
    assert str(shown["pinned_digest"]).startswith("sha256:")
    assert desk.done("server", "diff", "risk").code == 0
    assert desk("server", "scan", "risk").code == 8


def test_access_is_asked_for_and_somebody_else_gives_it(stage: Stage, desk: Desk, tmp_path: Path) -> None:
    words = ("--server", "risk", "--to", "person=anna", "--purpose", "closing", "--expires", in_days(90))
    asked = desk.done("grant", "request", "month-end", *words)
    assert "tally grant approve month-end" in asked.err
    assert desk("grant", "approve", "month-end").code == 7
    reviewer = signed_in(stage, tmp_path / "reviewer", "reviewer-of-bank")
    reviewer.done("grant", "approve", "month-end", "--comment", "fine")
    desk.done("grant", "revoke", "month-end", "--comment", "left")
    assert desk.done("grant", "list", "-o", "csv").out.splitlines()[1].startswith("month-end,bank,suspended,,risk,")
    assert desk("grant", "request", "x", "--to", "person=a", "--purpose", "p", "--expires", "never").code == 2


def test_roles_are_given_and_taken_back(desk: Desk) -> None:
    desk.done("role", "grant", "auditor", "person=eve", "group=audit", "--tenant", "bank", "--name", "eyes")
    assert desk.done("role", "show", "eyes", "--field", "spec.people").out == "eve\n"
    desk.done("role", "revoke", "auditor", "person=eve", "--tenant", "bank", "--name", "eyes")
    assert desk.done("role", "show", "eyes", "--field", "spec.groups").out == "audit\n"
    desk.done("role", "revoke", "auditor", "group=audit", "--name", "eyes")
    assert desk("role", "show", "eyes").code == 3
    assert desk("role", "grant", "auditor", "eve").code == 2


def test_a_secret_is_set_without_its_value_being_seen_anywhere(stage: Stage, desk: Desk) -> None:
    desk.done("secret", "set", "signing", "--tenant", "bank", typed="whsec_x1y2z3\n")
    desk.done("secret", "set", "signing", typed="whsec_other\n")
    printed = desk.done("secret", "list", "-o", "json").out
    assert "whsec" not in printed
    assert stage.control.secret("signing") == b"whsec_other"
    assert desk("secret", "set", "empty").code == 2


def test_what_one_may_is_asked(stage: Stage, desk: Desk, tmp_path: Path) -> None:
    assert desk.done("policy", "can-i", "server:approve", "risk").code == 0
    auditor = signed_in(stage, tmp_path / "auditor", "auditor-of-bank")
    assert auditor("policy", "can-i", "server:approve", "--tenant", "bank").code == 5
    denied = auditor("server", "suspend", "risk", "--comment", "no")
    assert denied.code == 5
    assert "reasons: " in denied.err
    assert auditor.done("whoami", "-o", "json").json()["name"] == "auditor-of-bank"


def test_changes_are_listed_with_who_and_why(desk: Desk) -> None:
    desk.done("secret", "set", "told", typed="v")
    last = desk.done("changes", "-o", "json").items()[-1]
    assert (last["kind"], last["name"], last["what"]) == ("Secret", "told", "created")
    assert str(last["actor"]).startswith("operator:")


@pytest.mark.parametrize("noun", ["toolset", "tenant", "agent", "role", "webhook", "grant", "policy"])
def test_every_kind_is_listed(desk: Desk, noun: str) -> None:
    assert desk.done(noun, "list", "-o", "json").json()["kind"] == "List"


def test_webhooks_say_how_they_do(desk: Desk, tmp_path: Path) -> None:
    desk.done("secret", "set", "soc", typed="whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz")
    spec: dict[str, object] = {"url": "https://8.8.8.8/hook", "secret": "soc"}
    with documents(tmp_path, document("Webhook", "soc", "bank", spec)) as file:
        desk.done("apply", "-f", file)
    assert desk.done("webhook", "status", "soc", "-o", "csv").out.splitlines()[1].startswith("soc,bank,yes,")


def test_servers_of_an_editor_are_brought_in_as_drafts(desk: Desk, tmp_path: Path) -> None:
    file = tmp_path / "mcp.json"
    file.write_text(
        '{"mcpServers": {"git": {"command": "mcp-server-git", "env": {"GIT_TOKEN": "ghp_abcdefgh1234567"}}}}'
    )
    dry = desk.done("server", "import", str(file), "--tenant", "bank", "--dry-run", "-o", "yaml")
    assert "mcp-server-git" in dry.out
    assert "tally secret set" in dry.err
    assert "ghp_" not in dry.out + dry.err
    desk.done("server", "import", str(file), "--tenant", "bank", "--report", str(tmp_path / "report.json"))
    assert desk.done("server", "show", "git", "--field", "status.state").out == "draft\n"
    assert (tmp_path / "report.json").exists()
    assert desk("server", "import", str(tmp_path / "none.json"), "--tenant", "bank").code == 2


def test_status_tells_on_one_screen_and_ends_with_eight_when_the_record_is_away(stage: Stage, desk: Desk) -> None:
    told = desk.done("status", "-o", "json").json()
    assert (told["status"], told["kind"], told["revision"]) == ("ok", "Status", told["published"])
    stage.record.is_away = True
    try:
        assert desk("status").code == 8
    finally:
        stage.record.is_away = False


def test_nobody_is_signed_in_and_nothing_runs(tmp_path: Path, stage: Stage) -> None:
    desk = Desk(tmp_path)
    alone = desk("server", "list")
    assert (alone.code, "tally up" in alone.err) == (8, True)
    strange = desk("--help")
    assert strange.code == 0
    unsigned = desk("server", "list", "--url", f"http://127.0.0.1:{stage.port}")
    assert (unsigned.code, "tally login" in unsigned.err) == (4, True)
    assert desk("server", "list", "--url", "http://example.com").code in {2, 4}
    assert desk("server", "lits").code == 2


def test_what_others_wrote_steers_neither_terminal_nor_spreadsheet(desk: Desk, tmp_path: Path) -> None:
    spec: dict[str, object] = {**SERVER, "title": "\u001b[31mred\u202e", "purpose": "=cmd()"}
    with documents(tmp_path, document("Server", "bad", "bank", spec)) as file:
        desk.done("apply", "-f", file)
    for form in ("table", "csv", "json", "yaml"):
        printed = desk.done("server", "show", "bad", "-o", form).out
        assert "\u001b" not in printed
        assert "\u202e" not in printed
    assert "'=cmd()" in desk.done("server", "list", "bad", "-o", "csv").out


def test_the_option_goes_before_the_environment_and_that_before_the_last_login(stage: Stage, tmp_path: Path) -> None:
    desk = signed_in(stage, tmp_path / "home", "auditor-of-bank")
    (tmp_path / "home" / "state/run").mkdir(parents=True)
    assert desk.done("whoami", "--field", "name").out == "auditor-of-bank\n"
    desk.environment["TALLY_URL"] = f"unix:{stage.socket}"
    assert desk.done("whoami", "--field", "name").out == "operator:lab\n"
    assert desk.done("whoami", "--field", "name", "--url", f"http://127.0.0.1:{stage.port}").out == "auditor-of-bank\n"
    del desk.environment["TALLY_URL"]
    desk.done("logout")
    (tmp_path / "home" / "state/run/console.sock").symlink_to(stage.socket)
    assert desk.done("whoami", "--field", "name").out == "operator:lab\n"
    (tmp_path / "elsewhere/run").mkdir(parents=True)
    (tmp_path / "elsewhere/run/console.sock").symlink_to(stage.socket)
    desk.environment["TALLY_STATE"] = str(tmp_path)
    assert desk("whoami").code == 8
    desk.done("whoami", "--state", str(tmp_path / "elsewhere"))


def test_a_token_goes_to_nobody_but_the_console_and_the_gateway_that_it_is_for(stage: Stage, tmp_path: Path) -> None:
    desk = signed_in(stage, tmp_path / "home", "auditor-of-bank")
    assert desk("whoami", "--url", "http://127.0.0.1:1").code == 4
    assert desk("call", "risk", "pay", "--gateway", "http://127.0.0.1:1").code == 4
