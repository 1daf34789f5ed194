"""Kubernetes-style documents to changes: strict, and told by the place where each stands."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Final, NamedTuple

from tallystick.control.declare.split import Source, split
from tallystick.control.model import DIRECTORY, EVERYWHERE, FREE, REVIEWED, Key, Kind, Put, State
from tallystick.registry import kinds, model, reading
from tallystick.settings import Problem, Section
from tallystick.terms import TenantId

NAME: Final = reading.NAME
POLICY_NAME: Final = kinds.POLICY_NAME
_KINDS: Final[Mapping[str, Kind]] = {
    "Tenant": "Tenant",
    "Issuer": "Issuer",
    "Server": "Server",
    "Pin": "Pin",
    "Toolset": "Toolset",
    "Policy": "Policy",
    "Grant": "Grant",
    "Agent": "Agent",
    "Role": "Role",
    "Webhook": "Webhook",
    "Secret": "Secret",
}


class Found(NamedTuple):
    """A resource that a document wants, and where that stands."""

    place: str
    put: Put


def read_documents(files: Mapping[str, bytes], owner: str = FREE) -> tuple[Put, ...] | tuple[Problem, ...]:
    """Return what the documents in `files` (name -> content) want, in the order of kinds, or every problem found.

    Every file is read, whichever folder it is in; those of the spine without an `apiVersion` are not for this function.
    """
    sources: list[Source] = []
    problems: list[Problem] = []
    for file, raw in sorted(files.items()):
        for found in split(file, raw):
            if isinstance(found, Problem):
                problems.append(found)
            else:
                sources.append(found)
    return _all(sources, owner, problems)


def read_mappings(
    sources: Iterable[tuple[str, Mapping[str, object]]], owner: str = FREE
) -> tuple[Put, ...] | tuple[Problem, ...]:
    """Return what parsed documents want, each with the place to name in a problem; a `List` holds others."""
    return _all(sources, owner, [])


def _all(
    sources: Iterable[tuple[str, Mapping[str, object]]], owner: str, problems: list[Problem]
) -> tuple[Put, ...] | tuple[Problem, ...]:
    found = [one for place, content in sources for one in found_in(place, content, owner, problems)]
    return settled(found, problems)


def settled(found: Iterable[Found], problems: list[Problem]) -> tuple[Put, ...] | tuple[Problem, ...]:
    """Return the changes in the order of kinds and names, or the problems, with everything that is there twice."""
    seen: dict[Key, str] = {}
    listed = list(found)
    for place, put in listed:
        if put.key in seen:
            problems.append(Problem(place, "", f"describes {put.key} again, after {seen[put.key]}", "keep one of them"))
        seen.setdefault(put.key, place)
    order = {kind: number for number, kind in enumerate(_KINDS)}
    return tuple(problems) or tuple(sorted((one.put for one in listed), key=lambda put: (order[put.kind], put.name)))


def found_in(place: str, content: Mapping[str, object], owner: str, problems: list[Problem]) -> Iterable[Found]:
    """Yield what one parsed document wants; what is wrong with it is added to `problems`."""
    if content.get("kind") == "List" and content.get("apiVersion") in {"v1", kinds.API_VERSION}:
        section = Section(place, content, problems)
        for index, item in enumerate(section.listed("items")):
            yield from found_in(f"{place} (item {index + 1})", item.whole(), owner, problems)
        return
    section = Section(place, content, problems)
    before = len(problems)
    if section.text("apiVersion") != kinds.API_VERSION and len(problems) == before:
        section.fault("apiVersion", "is of another form", f"write {kinds.API_VERSION}")
    kind = section.text("kind")
    if kind not in _KINDS:
        if kind or section.holds_text("kind"):
            problems.append(Problem.unknown((place, "kind"), "kind", kind, _KINDS))
        return
    metadata, spec = section.section("metadata"), section.section("spec")
    if not section.has("spec"):
        section.fault("spec", "is missing", "add a mapping")
    # A document that was asked for may be sent back: what Tallystick says in it is not read.
    section.has("status")
    put = _put(_KINDS[kind], metadata, spec, owner)
    section.close()
    if len(problems) == before:
        yield Found(place, put)


def _put(kind: Kind, metadata: Section, spec: Section, owner: str) -> Put:
    name = metadata.text("name", pattern=POLICY_NAME if kind == "Policy" else NAME)
    needs_tenant = kinds.KINDS[kind].tenant == "one"
    written = metadata.text("tenant", None if needs_tenant else "", pattern=NAME)
    if kind == "Tenant" and written not in {"", name}:
        metadata.fault("tenant", "is not its own name", "leave it out")
    labels = _texts(metadata.section("labels"))
    _texts(metadata.section("annotations"))
    for told in ("owner", "version", "revision", "created", "changed"):
        metadata.has(told)
    metadata.close()
    tenant = TenantId(name if kind == "Tenant" else written)
    content, state = stated(kind, spec.whole(), owner)
    check(spec.file, Key(kind, name), tenant, spec.whole(), spec.problems)
    return Put(kind, name, tenant, content, labels, owner, state=state)


def stated(kind: Kind, spec: Mapping[str, object], owner: str) -> tuple[Mapping[str, object], State | None]:
    """Return a spec without what Tallystick says in it, and its state where the owner's word is the approval."""
    if kind == "Secret":
        # Without a value the one that is there stays; that there is one is told, not written.
        return {name: part for name, part in spec.items() if name == "value" and part is not None}, None
    if kind not in REVIEWED:
        return spec, None
    known: dict[str, State] = {state: state for state in model.STATES}
    said = known.get(str(spec.get("state")), "approved")
    rest = {name: part for name, part in spec.items() if name != "state"}
    return rest, said if owner == DIRECTORY else None


def check(place: str, key: Key, tenant: TenantId, spec: Mapping[str, object], problems: list[Problem]) -> None:
    """Add every fault of a spec that its own document shows, told by the fields of a Kubernetes-style document."""
    entry = kinds.KINDS[key.kind]
    if key.kind in {"Policy", "Secret"}:
        section = Section(place, spec, problems, "spec")
        if key.kind == "Policy":
            section.text("cedar")
        else:
            section.text("value", "")
            section.flag("set", default=False)
        section.close()
        return
    for stray in ("name", "tenant"):
        if stray in spec:
            problems.append(Problem(place, f"spec.{stray}", "stands in metadata", "remove it here"))
            return
    is_said = tenant != EVERYWHERE and entry.tenant in {"one", "optional"}
    whole = {**spec, "tenant": tenant} if is_said else spec
    told = reading.read(f"{entry.folder}/{key.name}{entry.suffix}", whole).problems
    problems.extend(replace(problem, file=place, field=_field(problem.field)) for problem in told)


def _field(field: str) -> str:
    return f"metadata.{field}" if field in {"name", "tenant"} else f"spec.{field}" if field else "spec"


def _texts(section: Section) -> dict[str, str]:
    return {name: section.text(name) for name in section.keys()}  # noqa: SIM118 - not a dict
