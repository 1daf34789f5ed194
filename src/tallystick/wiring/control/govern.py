"""What is in force: control state, with the directory brought in, kept on record and followed by the gateway."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Final

import anyio
from anyio import to_thread

from tallystick import settings as settings_room
from tallystick.control import Control
from tallystick.control.model import Conflict
from tallystick.control.webhooks import Sender
from tallystick.export import FOLDER, SinkEntry, parse_sinks
from tallystick.settings import Problem
from tallystick.snapshot import Document, Snapshot, read_documents
from tallystick.terms import Digest, TallyError, TenantId
from tallystick.wiring.compose import Gateway
from tallystick.wiring.configure import look, told
from tallystick.wiring.control.compiling import Compiling
from tallystick.wiring.control.directory import Bringer
from tallystick.wiring.control.place import account

WATCH_S: Final = 0.25
"""Seconds between two looks at the configuration directory: a change is in force in well under a second."""
WAIT_S: Final = 0.5
"""Seconds that a thread waits for a revision before it looks whether it is still wanted."""
FIRST_S: Final = 60.0
"""Seconds that another process of this installation gets to publish the first revision."""

Say = Callable[[str], None]


class Governing:
    """Puts the newest published revision in force, again and again.

    `brings`: this process brings in the directory. One that is not the first of several waits for the first revision.
    `sender` tells how webhooks do, wherever it is that they are sent from.
    """

    def __init__(
        self, gateway: Gateway, control: Control, compiling: Compiling, sender: Sender, *, brings: bool
    ) -> None:
        """Take what there is; nothing is in force yet."""
        self.control = control
        self.sender = sender
        self.compiling = compiling
        self._gateway = gateway
        self._brings = brings
        self._bringer = Bringer(control, account())
        self.failures: Mapping[str, Callable[[], str | None]] = {}
        self._refused = self._behind = ""
        self._sinks: tuple[SinkEntry, ...] = ()
        self._revision = -1
        self._changing = anyio.Lock()

    def troubles(self) -> Mapping[str, str]:
        """Return what does not work at the moment, by name, each in a sentence."""
        own = {"directory": self._refused, "revision": self._behind}
        found = {name: failure() for name, failure in self.failures.items()} | own
        return {name: why for name, why in found.items() if why}

    async def begin(self, files: Mapping[str, bytes]) -> None:
        """Put the first revision in force. Raises `TallyError` where files or control state cannot be served."""
        problems = await self.bring(files)
        if problems:
            raise TallyError(code="invalid", message=problems)
        await self._published()
        refused = await self._enforce()
        if refused:
            raise TallyError(code="invalid", message=refused)

    async def bring(self, files: Mapping[str, bytes]) -> str:
        """Bring the directory's files into control state; return why not, empty where they are there."""
        wrong = self._lay(files)
        if wrong or not self._brings:
            return told(wrong)
        brought = await to_thread.run_sync(self._bringer.bring, files)
        if isinstance(brought, Conflict):
            return f"{brought.key}: {brought.text}"
        return told(brought) if isinstance(brought, tuple) else ""

    async def follow(self, say: Say) -> None:
        """Put every newer revision in force as soon as it is published, until cancelled."""
        while True:
            wait = partial(self.control.wait, self._revision, WAIT_S)
            try:
                revision = await to_thread.run_sync(wait, abandon_on_cancel=True)
                if revision < self._revision:
                    say(f"control state went back from revision {self._revision} to {revision}: it was restored")
                # INVARIANT: what is in force is what is published, also after the database went back to a backup or to
                # a copy that was behind: a suspension that is made then does not wait for the numbers of before.
                # While nothing can be recorded nothing comes into force: it is looked at again when there is a writer.
                if revision == self._revision or not self._gateway.recording or await self._renew(say, revision):
                    continue
            except TallyError as failure:
                # What is in force stays so while the database is away: changes wait, calls do not.
                self._behind = failure.message
                say(f"control state cannot be followed: {failure.message}")
            await anyio.sleep(WAIT_S)

    async def watch(self, config: Path, seen: str, say: Say) -> None:
        """Bring in the directory whenever it changes, until cancelled."""
        while True:
            await anyio.sleep(WATCH_S)
            now = settings_room.fingerprint(config)
            if now == seen or not self._gateway.recording:
                continue
            try:
                await self._take(look(config), say)
                seen = now
            except TallyError as failure:
                say(f"the changed configuration waits: {failure.message}")
                await anyio.sleep(WAIT_S)

    async def _take(self, files: Mapping[str, bytes] | tuple[Problem, ...], say: Say) -> None:
        """Bring in what the directory holds now, and put it in force."""
        before, digest = await to_thread.run_sync(self.control.head), self._digest()
        self._refused = told(files) if isinstance(files, tuple) else await self.bring(files)
        if self._refused:
            say(f"the changed configuration is refused, the old one stays in force:\n{self._refused}")
            return
        await self._renew(say, await to_thread.run_sync(self.control.published))
        after = await to_thread.run_sync(self.control.head)
        if (before, digest) == (after, self._digest()) and self._brings:
            say("nothing changed that can change while the gateway runs: tally.yaml is read at the start only")

    async def _renew(self, say: Say, revision: int) -> bool:
        """Put a revision in force, and tell of it; return whether it is, or never will be."""
        before, refused = self._digest(), await self._enforce()
        if refused:
            say(f"revision {revision} cannot be put in force, the one before stays:\n{refused}")
        elif self._digest() != before:
            say(f"configuration {self._digest()} is in force")
        return self._revision >= revision

    def _digest(self) -> Digest | None:
        snapshot = self._gateway.holder.current
        return None if snapshot is None else snapshot.digest

    def _lay(self, files: Mapping[str, bytes]) -> tuple[Problem, ...]:
        """Lay this machine's sinks beside what control state says."""
        found = read_documents({name: raw for name, raw in files.items() if name.startswith(f"{FOLDER}/")})
        if isinstance(found, tuple):
            return found
        sinks = parse_sinks({name: one.content for name, one in found.items() if not isinstance(one.content, str)})
        if isinstance(sinks, tuple):
            return sinks
        self.compiling.local, self._sinks = found, tuple(sinks.values())
        return ()

    async def _published(self) -> int:
        """Return the revision to begin with: all that is there, once it is on record."""
        with anyio.move_on_after(FIRST_S):
            while True:
                head = await to_thread.run_sync(self.control.head)
                wait = partial(self.control.wait, head - 1, WAIT_S)
                published = await to_thread.run_sync(wait, abandon_on_cancel=True)
                if published >= head and (published > 0 or self._gateway.worker.index == 0):
                    return published
        message = "control state is not on record after a minute: look at the record's writer, and start again"
        raise TallyError(code="unavailable", message=message)

    async def _enforce(self) -> str:
        async with self._changing:
            # Asked here: who waited for the lock with a revision in hand could put back what was replaced meanwhile.
            revision = await to_thread.run_sync(self.control.published)
            documents: Mapping[str, Document] = await to_thread.run_sync(self.control.documents, revision)
            compiled = await to_thread.run_sync(self.compiling.compile, documents)
            if not isinstance(compiled, Snapshot):
                # Judged before it was committed, by a release or with sinks that were others. It is not tried again.
                self._revision = revision
                return told(compiled)
            tenants = self._tenants()
            refused = await self._gateway.enforce(compiled, self._sinks)
            if refused is not None:
                return str(refused)
            self._revision = revision
            if self._tenants() != tenants:
                await self._gateway.tell_classes()
            return ""

    def _tenants(self) -> frozenset[TenantId]:
        snapshot = self._gateway.holder.current
        return frozenset() if snapshot is None else frozenset(snapshot.registry.tenants)
