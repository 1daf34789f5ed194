"""A configuration directory to changes: files of the spine, Kubernetes-style documents, or both side by side."""

from collections.abc import Iterator, Mapping
from typing import Final

from tallystick.control.declare.model import FILED
from tallystick.control.declare.read import Found, read_mappings, settled, stated
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


def from_directory(files: Mapping[str, bytes], owner: str = DIRECTORY) -> tuple[Put, ...] | tuple[Problem, ...]:
    """Return what the files of a configuration directory (relative path -> content) want, or every problem found.

    An `apiVersion` makes a file one of Kubernetes-style documents, wherever it is; every other file is one of the
    spine, in the folder of its kind. Process settings and sinks are no control state and are passed over.
    """
    problems: list[Problem] = []
    found: list[Found] = []
    documents: list[Source] = []
    for file, raw in sorted(files.items()):
        if file == PROCESS_FILE or file.startswith(f"{SINKS}/"):
            continue
        if file.endswith(".cedar"):
            found.extend(_policy(file, raw, owner, problems))
            continue
        for source in split(file, raw):
            if isinstance(source, Problem):
                problems.append(source)
            elif "apiVersion" in source.content:
                documents.append(source)
            else:
                found.extend(_entry(file, source, owner, problems))
    read = read_mappings(documents, owner)
    for one in read:
        problems.append(one) if isinstance(one, Problem) else found.append(Found(str(one.key), one))
    tenants = {one.put.name: one.put.tenant for one in found if one.put.kind == "Server"}
    return settled([_pinned(one, tenants, problems) for one in found], problems)


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
