"""The script: who does what, in which order, and what has to come of it. Data only; it is played once per era.

Money is in minor units: 100000 is EUR 1,000.00, the most that a clerk may transfer.
"""

from dataclasses import dataclass, replace

from tallystick_demo_bank.demo.model import LEGACY, MODERN, Account, Stage, Step
from tallystick_demo_bank.demo.people import AGENT
from tallystick_demo_bank.demo.prepare import Installation

ERAS = (MODERN, LEGACY)
ANA, PETE, RITA = "ana.alvarez", "pete.clark", "rita.olsen"
TITLES = {ANA: "credit analyst", PETE: "payments clerk", RITA: "risk officer", AGENT: "autonomous agent"}

FREEZE = """\
@id("change-freeze")
forbid (principal, action == Action::"core-banking/transfer_funds", resource);
"""
BROKEN = """\
@id("misspelt")
permit (principal, action == Action::"core-banking/transfer_fund", resource);
"""
"""Names a tool that no server has: it could never match, so it is an error."""

_CREDIT, _PAYMENTS, _BANKING, _RISK = (
    "toolsets/credit-desk",
    "toolsets/payments",
    "servers/core-banking",
    "servers/risk-database",
)
CANARY = "Invoice 2026-1001"
"""An argument of transfers, which must be in no file of the state directory."""
_TRANSFER: dict[str, object] = {
    "from_account": "ACC-0001",
    "to_account": "ACC-0005",
    "amount_minor": 100_000,
    "currency": "EUR",
    "reference": CANARY,
}
_WHY = {"justification": "Asked for by the demo, to see it refused."}
_STRESS: dict[str, object] = {"scenario": "energy_shock", "pause_ms": 5}
_OVERRIDE: dict[str, object] = {"customer_id": "CUS-0007", "grade": "A", **_WHY}
_TICKET: dict[str, object] = {"title": "Bookings differ", "body": "Two bookings of ACC-0001 differ.", "queue": "it"}


@dataclass(frozen=True, slots=True)
class _Seat:
    """Somebody in front of a route; the era is filled in when the script is written out."""

    who: str
    route: str
    agent: str | None = None

    @property
    def caller(self) -> str:
        return f"{self.who}, {self.agent} acting" if self.agent else self.who

    def lists(self, what: str, policy: str, *, shows: tuple[str, ...], hides: tuple[str, ...]) -> Step:
        expected = Account("success", self.caller, policies=(policy,), shows=shows, hides=hides)
        return self._step(None, {}, expected, what)

    def does(
        self, what: str, tool: str, arguments: dict[str, object], policy: str, *shows: str, progress: int | None = None
    ) -> Step:
        expected = Account("success", self.caller, policies=(policy,), shows=shows, progress=progress)
        return self._step(tool, arguments, expected, what)

    def fails(self, what: str, tool: str, arguments: dict[str, object], policy: str, *shows: str) -> Step:
        expected = Account("tool_error", self.caller, policies=(policy,), shows=shows)
        return self._step(tool, arguments, expected, what)

    def may_not(self, what: str, tool: str, arguments: dict[str, object], *policies: str) -> Step:
        reason = "policy_forbids" if policies else "no_policy_allows"
        return self._step(tool, arguments, Account("denied", self.caller, (reason,), policies), what)

    def needs_approval(self, what: str, tool: str, arguments: dict[str, object], policy: str) -> Step:
        expected = Account("approval_required", self.caller, ("approval_required",), (policy,))
        return self._step(tool, arguments, expected, what)

    def asks_wrongly(self, what: str, tool: str, arguments: dict[str, object]) -> Step:
        return self._step(tool, arguments, Account("invalid", self.caller, ("arguments_invalid",)), what)

    def _step(self, tool: str | None, arguments: dict[str, object], expected: Account, what: str) -> Step:
        return Step(self.who, "", self.route, tool, arguments, expected, what, self.agent)


def script(made: Installation) -> tuple[Step, ...]:
    """Return every step, in both eras."""
    written: list[Step] = []
    for era in ERAS:
        steps = [*_analyst(), *_clerk(), *_officer(), *_agents(), *_others(made), *_change()]
        if era == LEGACY:
            # Clients of both eras reach them; one round is enough.
            steps += _node(made)
        written += [replace(step, era=era) for step in steps]
    return tuple(written)


def _analyst() -> list[Step]:
    desk, bank = _Seat(ANA, _CREDIT), _Seat(ANA, _BANKING)
    closing: dict[str, object] = {"account_id": "ACC-0003", **_WHY}
    return [
        desk.does(
            "read a balance", "core-banking__get_balance", {"account_id": "ACC-0007"}, "analysts-read", "ACC-0007"
        ),
        desk.does(
            "read a rating", "risk-database__get_rating", {"customer_id": "CUS-0007"}, "analysts-read", "CUS-0007"
        ),
        desk.does(
            "ask for the time",
            "time__get_current_time",
            {"timezone": "Europe/Luxembourg"},
            "staff-read-shared-tools",
            "Europe/Luxembourg",
        ),
        desk.may_not("close an account", "core-banking__close_account", closing, "analysts-never-delete"),
        bank.lists("list the tools", "connect", shows=("get_balance",), hides=("transfer_funds", "close_account")),
        bank.may_not("transfer EUR 1,000.00", "transfer_funds", _TRANSFER, "analysts-never-write-banking"),
        bank.fails(
            "read an account that is not there",
            "get_account",
            {"account_id": "ACC-9999"},
            "analysts-read",
            "ACC-9999",
        ),
        bank.asks_wrongly("read a balance, wrongly put", "get_balance", {"account": 7}),
    ]


def _clerk() -> list[Step]:
    desk = _Seat(PETE, _PAYMENTS)
    transfer = "core-banking__transfer_funds"
    paid = desk.does("transfer EUR 1,000.00", transfer, _TRANSFER, "clerks-small-transfers", "ACC-0005")
    return [
        desk.lists("list the tools", "connect", shows=(transfer,), hides=("core-banking__close_account",)),
        replace(paid, receipt=True),
        desk.may_not("transfer EUR 1,000.01", transfer, {**_TRANSFER, "amount_minor": 100_001}),
        desk.needs_approval(
            "approve a payment",
            "core-banking__approve_payment",
            {"payment_id": "PAY-000001"},
            "clerks-approve-with-approval",
        ),
    ]


def _officer() -> list[Step]:
    desk = _Seat(RITA, _RISK)
    computes = "officers-run-computations"
    stopped = desk.does("run a stress test, and cancel it", "run_stress_test", {**_STRESS, "pause_ms": 300}, computes)
    broken = desk.does("rebuild the cache; its server is killed", "rebuild_exposure_cache", {"seconds": 60}, computes)
    again = desk.does("rebuild the cache again", "rebuild_exposure_cache", {"seconds": 0}, computes, "total_minor")
    return [
        desk.does(
            "run a stress test", "run_stress_test", _STRESS, "officers-run-computations", "energy_shock", progress=16
        ),
        desk.needs_approval("override a rating", "record_override", _OVERRIDE, "officers-critical-with-approval"),
        replace(
            stopped,
            turn="cancel",
            expected=replace(stopped.expected, outcome="cancelled", because=("cancelled",)),
        ),
        replace(
            broken,
            turn="kill",
            expected=replace(broken.expected, outcome="upstream_failure", because=("upstream_broken",)),
        ),
        replace(again, before="restart the risk database"),
    ]


def _agents() -> list[Step]:
    bank, tickets = _Seat(AGENT, _BANKING), _Seat(AGENT, "servers/ticketing")
    assisting = _Seat(ANA, _CREDIT, AGENT)
    return [
        bank.does("list bookings", "list_transactions", {"account_id": "ACC-0001"}, "agents-read", "transactions"),
        bank.may_not("transfer EUR 1,000.00", "transfer_funds", _TRANSFER, "agents-nothing-else"),
        tickets.does("open a ticket", "create_ticket", _TICKET, "agents-open-tickets", "TIC-"),
        tickets.may_not("delete a ticket", "delete_ticket", {"ticket_id": "TIC-0001"}, "agents-nothing-else"),
        assisting.does(
            "read an exposure",
            "risk-database__get_exposure",
            {"customer_id": "CUS-0007"},
            "analysts-read",
            "CUS-0007",
        ),
    ]


def _others(made: Installation) -> list[Step]:
    if made.repository is None:
        return []
    desk, repository = _Seat(ANA, "servers/git"), {"repo_path": str(made.repository)}
    log: dict[str, object] = {**repository, "max_count": 1}
    return [
        desk.does("read the newest commit", "git_log", log, "staff-read-shared-tools", "ommit"),
        desk.may_not("commit", "git_commit", {**repository, "message": "Not asked for."}),
    ]


def _change() -> list[Step]:
    desk = _Seat(PETE, _PAYMENTS)
    transfer, small = "core-banking__transfer_funds", {**_TRANSFER, "amount_minor": 1_000}
    frozen = desk.may_not("transfer EUR 10.00, now frozen", transfer, small, "change-freeze")
    broken = desk.may_not("transfer EUR 10.00, still frozen", transfer, small, "change-freeze")
    thawed = desk.does("transfer EUR 10.00, thawed", transfer, small, "clerks-small-transfers", "ACC-0005")
    staged: tuple[tuple[Step, Stage], ...] = (
        (frozen, "freeze transfers"),
        (broken, "break a policy"),
        (thawed, "thaw transfers"),
    )
    return [replace(step, before=stage) for step, stage in staged]


def _node(made: Installation) -> list[Step]:
    steps: list[Step] = []
    if "filesystem" not in made.skipped:
        files, note = _Seat(ANA, "servers/filesystem"), str(made.shared / "note.txt")
        steps += [
            files.does(
                "read a shared file",
                "read_text_file",
                {"path": str(made.shared / "welcome.txt")},
                "staff-read-shared-files",
                "Welcome",
            ),
            files.does("write one", "write_file", {"path": note, "content": "Seen."}, "staff-write-shared-files"),
            files.fails("read outside", "read_text_file", {"path": "/etc/hostname"}, "staff-read-shared-files"),
        ]
    if "everything" not in made.skipped:
        trial = _Seat(ANA, "servers/everything")
        steps += [
            trial.does("echo", "echo", {"message": "tally"}, "staff-try-the-reference-server", "tally"),
            trial.may_not("read the environment", "get-env", {}),
        ]
    return steps
