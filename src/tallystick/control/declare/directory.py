"""A configuration directory to changes: files of the spine, Kubernetes-style documents, or both side by side."""

from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from tallystick.control.declare.model import FILED
from tallystick.control.declare.read import Found, found_in, settled, stated
from tallystick.control.declare.split import Source, split
from tallystick.control.model import DIRECTORY, EVERYWHERE, Kind, Put
from tallystick.registry import reading
from tallystick.settings import Problem
from tallystick.terms import TenantId

PROCESS_FILE: Final = "tally.yaml"
SINKS: Final = "sinks"
"""The folder of what is no control state: sinks belong to the machine that they are on."""
_FOLDERS: Final[Mapping[str, Kind]] = {
    "tenants": "Tenant",
    "issuers": "Issuer",
    "servers": "Server",
    "pins": "Pin",
    "toolsets": "Toolset",
    "grants": "Grant",
    "agents": "Agent",
    "roles": "Role",
    "webhooks": "Webhook",
}
_POLICIES: Final = "policies"


class _FileRead(NamedTuple):
    """What one file says by itself."""

    raw: bytes
    found: tuple[Found, ...]
    problems: tuple[Problem, ...]


class Directory:
    """Reads a configuration directory again and again; what is in a file that did not change is not read again.

    An `apiVersion` makes a file one of Kubernetes-style documents, wherever it is; every other file is one of the
    spine, in the folder of its kind. Process settings and sinks are no control state and are passed over. Not for two
    threads at once.
    """

    __slots__ = ("_kept", "_owner")

    def __init__(self, owner: str = DIRECTORY) -> None:
        """Start with nothing read; what is found will belong to `owner`."""
        self._owner = owner
        self._kept: dict[str, _FileRead] = {}

    def read(self, files: Mapping[str, bytes]) -> tuple[Put, ...] | tuple[Problem, ...]:
        """Return what the files (relative path -> content) want, or every problem found."""
        kept: dict[str, _FileRead] = {}
        for file, raw in sorted(files.items()):
            if file == PROCESS_FILE or file.startswith(f"{SINKS}/"):
                continue
            known = self._kept.get(file)
            kept[file] = known if known is not None and known.raw == raw else _file(file, raw, self._owner)
        self._kept = kept
        problems = [problem for one in kept.values() for problem in one.problems]
        found = [entry for one in kept.values() for entry in one.found]
        tenants = {one.put.name: one.put.tenant for one in found if one.put.kind == "Server"}
        return settled([_pinned(one, tenants, problems) for one in found], problems)


def from_directory(files: Mapping[str, bytes], owner: str = DIRECTORY) -> tuple[Put, ...] | tuple[Problem, ...]:
    """Return what the files of a configuration directory want, or every problem found, once."""
    return Directory(owner).read(files)


def _file(file: str, raw: bytes, owner: str) -> _FileRead:
    problems: list[Problem] = []
    if file.endswith(".cedar"):
        return _FileRead(raw, tuple(_policy(file, raw, owner, problems)), tuple(problems))
    found: list[Found] = []
    for source in split(file, raw):
        if isinstance(source, Problem):
            problems.append(source)
        elif "apiVersion" in source.content:
            found.extend(found_in(source.place, source.content, owner, problems))
        else:
            found.extend(_entry(file, source, owner, problems))
    return _FileRead(raw, tuple(found), tuple(problems))


def _entry(file: str, source: Source, owner: str, problems: list[Problem]) -> Iterator[Found]:
    """Read one file of the spine; `reading` says what is wrong with it and with its place."""
    told = reading.read(file, source.content).problems
    if told:
        problems.extend(told)
        return
    if source.place != file:
        problems.append(Problem(source.place, "", "is one of several in a file", "add apiVersion, kind and metadata"))
        return
    folder, _, rest = file.partition("/")
    kind, name = _FOLDERS[folder], rest.rpartition(".")[0]
    aside = {"server" if kind == "Pin" else "name", "tenant"}
    spec, state = stated(kind, {key: part for key, part in source.content.items() if key not in aside}, owner)
    written = source.content.get("tenant")
    tenant = TenantId(name if kind == "Tenant" else written if isinstance(written, str) else EVERYWHERE)
    labels = {FILED: "true"} if kind == "Pin" else {}
    yield Found(file, Put(kind, name, tenant, spec, labels, owner, state=state))


def _policy(file: str, raw: bytes, owner: str, problems: list[Problem]) -> Iterator[Found]:
    """Read `policies/<name>.cedar`, or `policies/<tenant>/<name>.cedar`, which binds that tenant only."""
    folder, *within, last = file.split("/") if "/" in file else ["", file]
    if folder != _POLICIES or len(within) > 1:
        problems.append(Problem(file, "", "a policy outside of policies/ is not read", "move it to policies/"))
        return
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        problems.append(Problem(file, "", f"is not UTF-8 (byte {error.start})", "save it as UTF-8"))
        return
    tenant = TenantId(within[0]) if within else EVERYWHERE
    yield Found(file, Put("Policy", last.removesuffix(".cedar"), tenant, {"cedar": text}, {}, owner))


def _pinned(one: Found, tenants: Mapping[str, TenantId], problems: list[Problem]) -> Found:
    """Give a pin the tenant of its server."""
    put = one.put
    if put.kind != "Pin":
        return one
    if put.name not in tenants:
        problems.append(Problem.unknown((one.place, "server"), "server", put.name, tenants))
        return one
    return Found(one.place, Put("Pin", put.name, tenants[put.name], put.spec, put.labels, put.owner))
