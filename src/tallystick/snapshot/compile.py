"""Documents to a snapshot: register, publish, compile policies and schemas. All or nothing, and only what changed."""

from collections.abc import Mapping, Sequence
from typing import Final

from tallystick import export, policy, registry, toolsets
from tallystick.settings import Problem
from tallystick.snapshot.document import Document, is_policy, read_documents, state_digest
from tallystick.snapshot.model import Snapshot
from tallystick.snapshot.routes import Parts, Routes, judge, schema_of

_Result = Snapshot | tuple[Problem, ...]
_Published = toolsets.Publication | tuple[Problem, ...]
_KEPT: Final = 4
"""Results kept: the state in force, and candidates that somebody tries out beside it. They share what is the same."""


def compile_snapshot(files: Mapping[str, bytes]) -> _Result:
    """Return the snapshot of `files` (relative path -> content), or every problem of the first stage that has any."""
    documents = read_documents(files)
    return documents if isinstance(documents, tuple) else Compiler().compile(documents)


class Compiler:
    """Compiles one state after another; what did not change since the last one is not done again.

    Not for several threads at once: whoever has some lets them take turns. What it returns is for all of them.
    """

    def __init__(self) -> None:
        """Know nothing yet: the first compilation does everything."""
        self._results: dict[tuple[tuple[str, str], ...], _Result] = {}
        self._parser = registry.reading.Parser()
        self._policies = policy.PolicyCompiler()
        self._servers: dict[int, _Server] = {}

    def compile(self, documents: Mapping[str, Document]) -> _Result:
        """Return the snapshot of `documents` (by name), or every problem of the first stage that has any.

        The same documents as in one of the last compilations give the same snapshot, the very object.
        """
        ordered = [documents[name] for name in sorted(documents)]
        key = tuple((document.name, document.digest) for document in ordered)
        result = self._results.pop(key, None) or self._compile(ordered)
        self._results[key] = result
        if len(self._results) > _KEPT:
            del self._results[next(iter(self._results))]
        return result

    def _compile(self, documents: Sequence[Document]) -> _Result:
        known = _astray(documents) or self._registered(documents)
        if isinstance(known, tuple):
            return known
        servers = self._known_servers(known)
        published = _publish(known, servers)
        if isinstance(published, tuple):
            return published
        texts = {document.name: document.content for document in documents if isinstance(document.content, str)}
        bundle = self._policies.compile(texts, _facts(known, servers))
        if isinstance(bundle, tuple):
            return bundle
        notices = (
            *known.notices,
            *(notice for entry in published.values() for notice in entry.notices),
            *(problem for server in servers for problem in server.unsound.values()),
        )
        routes = Routes(published, Parts(known, bundle))
        return Snapshot(state_digest(documents), known, bundle, routes, notices, published)

    def _registered(self, documents: Sequence[Document]) -> registry.Registry | tuple[Problem, ...]:
        """Return the registry, or every problem with it or with the sinks, which live apart from it."""
        contents = {entry.name: entry.content for entry in documents if not isinstance(entry.content, str)}
        sinks = {name: contents.pop(name) for name in list(contents) if name.startswith(f"{export.FOLDER}/")}
        digests = {entry.name: entry.digest for entry in documents}
        known, read = self._parser.parse(contents, digests), export.parse_sinks(sinks)
        if isinstance(known, tuple) or isinstance(read, tuple):
            return (known if isinstance(known, tuple) else ()) + (read if isinstance(read, tuple) else ())
        unknown = tuple(
            Problem.unknown((f"{export.FOLDER}/{sink.name}.yaml", "tenants"), "tenant", tenant, known.tenants)
            for sink in read.values()
            for tenant in sink.tenants
            if tenant not in known.tenants
        )
        return unknown or known

    def _known_servers(self, known: registry.Registry) -> tuple["_Server", ...]:
        found: list[_Server] = []
        for server in known.servers.values():
            before = self._servers.get(id(server))
            # What is kept holds its server, so an identity cannot have passed to another one.
            found.append(before if before is not None and before.server is server else _Server(server))
        self._servers = {id(entry.server): entry for entry in found}
        return tuple(found)


class _Server:
    """A server with what follows from its document and its pin alone."""

    __slots__ = ("facts", "published", "server", "tools", "unsound")

    def __init__(self, server: registry.Server) -> None:
        self.server = server
        self.facts = policy.ServerFacts(server.tenant, server.name)
        self.tools = tuple(_tool_facts(server, tool) for tool in server.tools.values())
        self.published: _Published = toolsets.publish_server(server)
        # A validator is only made to see whether it can be: those of ten thousand tools would fill the memory.
        judged = {tool.id: judge(server.name, tool) for tool in server.tools.values()}
        self.unsound = {name: entry for name, entry in judged.items() if isinstance(entry, Problem)}


def _astray(documents: Sequence[Document]) -> tuple[Problem, ...]:
    return tuple(
        Problem(document.name, "", "a policy outside of policies/ is not read", "move it to policies/")
        for document in documents
        if is_policy(document.name) and not document.name.startswith("policies/")
    )


def _publish(
    known: registry.Registry, servers: Sequence[_Server]
) -> Mapping[str, toolsets.Publication] | tuple[Problem, ...]:
    """Return what `toolsets.publish` returns, with what is known of the servers' own routes."""
    found = [entry.published for entry in servers if entry.server.state == "approved"]
    found += [toolsets.publish_toolset(toolset, known) for toolset in known.toolsets.values()]
    problems = tuple(problem for entry in found if isinstance(entry, tuple) for problem in entry)
    return problems or {entry.route: entry for entry in found if not isinstance(entry, tuple)}


def _facts(known: registry.Registry, servers: Sequence[_Server]) -> policy.Facts:
    """Return what policies may speak about."""
    return policy.Facts(
        tenants=tuple(policy.TenantFacts(tenant.name, tenant.parent) for tenant in known.tenants.values()),
        servers=tuple(server.facts for server in servers),
        toolsets=tuple(policy.ToolsetFacts(toolset.tenant, toolset.name) for toolset in known.toolsets.values()),
        tools=tuple(tool for server in servers for tool in server.tools),
    )


def _tool_facts(server: registry.Server, tool: registry.Tool) -> policy.ToolFacts:
    return policy.ToolFacts(
        tenant=server.tenant,
        server=server.name,
        tool=tool.id,
        operation=tool.operation,
        risk=tool.risk,
        labels=tool.labels,
        # What is forwarded is what policy sees; a rule of the server's owner only narrows it.
        input_schema=schema_of(tool.definition),
    )
