"""`tally demo`: set up, play the script, check, tell; everything has ended when it returns."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import anyio
import httpx2
from mcp.client.auth import OAuthFlowError

from tallystick_demo_bank.demo import checks, payloads, play, tell
from tallystick_demo_bank.demo.model import Account, DemoError, Done, Say, Seen, Stage, Step
from tallystick_demo_bank.demo.people import AGENT, Desk
from tallystick_demo_bank.demo.prepare import Installation, claimed, clear, free_ports, prepare, put_policy
from tallystick_demo_bank.demo.processes import Programs, listening, pin, programs
from tallystick_demo_bank.demo.record import Record
from tallystick_demo_bank.demo.script import ANA, BROKEN, FREEZE, PETE, RITA, script
from tallystick_demo_bank.demo.summary import summary, write

CHANGE_S = 10
"""Seconds until the gateway must have said what it makes of a changed configuration."""


async def run(folder: Path, *, keep: bool, say: Say, width: int, steps: Sequence[Step] | None = None) -> bool:
    """Run the demo in `folder` and tell it through `say`; return whether everything held. Other `steps`: for tests.

    Raises DemoError when it cannot be played to its end.
    """
    with claimed(folder):
        clear(folder, keep=keep, say=say)
        made = prepare(folder, free_ports())
        say(f"the demo bank is set up in {made.folder}")
        for server, reason in made.skipped.items():
            say(f"SKIPPED: the server {server}, because {reason}")
        played = tuple(steps) if steps is not None else script(made)
        show = _Show(made, say, tell.Table(width))
        async with programs(made) as running:
            desk = await _open(show, running)
            for session in tell.scenes(played):
                await show.play(session, desk, running)
            say("")
            say("ending the gateway and the servers")
        return await _close(show, desk)


async def _open(show: "_Show", running: Programs) -> Desk:
    made, say = show.made, show.say
    say("starting the bank's servers")
    await running.start_bank()
    await pin(made, say)
    say("starting the gateway: tally up")
    await running.start_gateway()
    say("signing in, by the SDK's OAuth client")
    desk = Desk(made.gateway, made.state / "keys", say)
    for who, route in ((ANA, "toolsets/credit-desk"), (PETE, "toolsets/payments"), (RITA, "servers/risk-database")):
        await desk.sign_in(who, route)
    await desk.sign_in(AGENT, "servers/core-banking")
    for line in show.table.heading():
        say(line)
    return desk


async def _close(show: "_Show", desk: Desk) -> bool:
    made, say, done = show.made, show.say, show.done
    found = [*checks.of_the_callers(desk, done), *checks.at_the_servers(made, done, Record(made.log).leaves())]
    paid = _money_moved(done)
    for part in (checks.of_the_record(made, None if paid is None else paid.index), payloads.checked(made, paid)):
        of_part, told = await part
        found += of_part
        say("")
        for line in told:
            say(line)
    say("")
    for check in found:
        for line in tell.checked(check, show.table.width):
            say(line)
    vkey = (made.log / "vkey").read_text("utf-8").strip() if (made.log / "vkey").exists() else ""
    account = summary(made, vkey, done, found)
    write(made.folder / "summary.json", account)
    ok = account["ok"] is True
    failed = sum(not entry.ok for entry in (*done, *found))
    say("")
    say(tell.verdict(ok=ok, steps=len(done), failed=failed))
    for line in _onwards(made):
        say(line)
    return ok


def _money_moved(done: Sequence[Done]) -> payloads.Paid | None:
    """Return the first allowed transfer: the one to prove."""
    transfers = ((d, d.recorded) for d in done if d.step.who == PETE and d.step.tool and d.decision == "allow")
    return next(
        (
            payloads.Paid(found.outcome_index, str(found.fields.get("id")), d.receipt)
            for d, found in transfers
            if found is not None and found.outcome_index is not None
        ),
        None,
    )


def _onwards(made: Installation) -> list[str]:
    return [
        "",
        f"The account for other tools: {made.folder / 'summary.json'}",
        f"The record:                  {made.log}",
        f"  tally audit tail {made.log}",
        "Ask it, and see what a SIEM would get:",
        f"  tally audit search {made.log} --person {PETE} --decision allow",
        f"  tally audit events {made.log} --format ocsf --count 3",
        "Leave the bank running and connect your own client:",
        "  tally up",
    ]


@dataclass(slots=True)
class _Show:
    """The script as it is being played."""

    made: Installation
    say: Say
    table: tell.Table
    done: list[Done] = field(default_factory=list[Done])
    _record: Record | None = None

    async def play(self, session: tuple[Step, ...], desk: Desk, running: Programs) -> None:
        """Play the steps of one session, then tell them with what the record says."""
        first = session[0]
        if first.before is not None:
            await self._arrange(first.before, running)
        for line in tell.scene(first):
            self.say(line)
        seen: list[Seen] = []
        risk_database = running["risk_database"]
        try:
            async with desk.connect(first.who, first.agent, first.era, first.route) as client:
                for step in session:
                    seen.append(await play.perform(client, step, risk_database.kill))  # noqa: PERF401 - what was seen before a failure counts
        except ExceptionGroup as group:
            _give_up(seen, group)
        except (httpx2.HTTPError, OAuthFlowError) as error:
            _give_up(seen, error)
        broken = Seen("broken", "the client's session ended early")
        for at, step in enumerate(session):
            await self._tell(step, seen[at] if at < len(seen) else broken)

    async def _tell(self, step: Step, seen: Seen) -> None:
        if self._record is None or not self._record.directory.exists():
            self._record = Record(self.made.log)
        recorded = None if seen.outcome == "broken" else await self._record.find(step)
        observed = play.account(step, seen, recorded)
        if seen.outcome == "broken":
            observed = Account(f"broken: {seen.text}", step.who)
        decision = "unknown" if recorded is None else play.effect_of(recorded)
        client = "" if recorded is None else play.client_of(recorded)
        done = Done(len(self.done) + 1, step, observed, recorded, decision, client, seen.receipt)
        self.done.append(done)
        for line in self.table.row(done):
            self.say(line)

    async def _arrange(self, stage: Stage, running: Programs) -> None:
        """Do what the script asks for before a step, and wait until it has taken effect."""
        self.say("")
        policies = self.made.config / "policies"
        if stage == "restart the risk database":
            self.say("the risk database is started again")
            await running["risk_database"].start()
            await listening(running["risk_database"])
        elif stage == "freeze transfers":
            await self._change(running, policies / "change-freeze.cedar", FREEZE)
        elif stage == "break a policy":
            await self._change(running, policies / "misspelt.cedar", BROKEN)
        else:
            put_policy(policies / "misspelt.cedar", None)
            await self._change(running, policies / "change-freeze.cedar", None)

    async def _change(self, running: Programs, file: Path, text: str | None) -> None:
        gateway = running["gateway"]
        since = len(gateway.lines)
        began = anyio.current_time()
        put_policy(file, text)
        self.say(f"{'removed' if text is None else 'added'}: policies/{file.name}")
        line = await gateway.said("is refused" if text == BROKEN else "is in force", CHANGE_S, since)
        self.say(f"after {anyio.current_time() - began:.2f} s the gateway says: {line}")
        if text == BROKEN:
            self.say(f"  {await gateway.said(file.name, CHANGE_S, since)}")


def _give_up(seen: list[Seen], error: BaseException) -> None:
    if isinstance(error, BaseExceptionGroup):
        _give_up(seen, error.exceptions[0])  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType] - a group of anything
    elif isinstance(error, DemoError):
        raise error
    else:
        seen.append(Seen("broken", f"{type(error).__name__}: {error}"))
