"""Reads `toolsets/<name>.yaml`: members, rules of selection, overrides, the rule for collisions, and the audience.

Whether what it names exists is no question of this document: a toolset stays up without what is missing, and says so
(room `toolsets`).
"""

from tallystick.registry.model import OPERATIONS, RISKS, Audience, Member, Toolset
from tallystick.registry.reading.overrides import read_overrides
from tallystick.registry.reading.words import NAME, audience, words
from tallystick.registry.toolset import CONFLICTS, Conflicts, Selection
from tallystick.settings import Problem, Section
from tallystick.terms import ServerId, TenantId, ToolId


def parse_toolset(section: Section) -> Toolset:
    """Read one toolset. Without `conflicts`, every published name has the prefix `<server>__`."""
    members = _members(section)
    include = tuple(_selection(part) for part in section.listed("include"))
    if not members and not include:
        section.fault("members", "is empty", "name at least one server, or choose by `include`")
    conflicts: Conflicts = section.choice("conflicts", CONFLICTS, "prefix") if section.has("conflicts") else "prefix"
    priority = tuple(ServerId(name) for name in words(section, "priority"))
    if bool(priority) != (conflicts == "priority"):
        section.fault("priority", "goes with `conflicts: priority`, and only with it", "write both, or neither")
    return Toolset(
        name=section.stem,
        tenant=TenantId(section.text("tenant", pattern=NAME)),
        title=section.text("title", section.stem),
        members=members,
        include=include,
        exclude=tuple(_exclusion(part) for part in section.listed("exclude")),
        conflicts=conflicts,
        priority=priority,
        overrides=read_overrides(section.section("overrides")),
        audience=_audience(section),
    )


def _members(section: Section) -> tuple[Member, ...]:
    members: list[Member] = []
    for part in section.listed("members"):
        named = part.texts("tools") if part.has("tools") else None
        tools = None if named is None else tuple(ToolId(tool) for tool in named)
        server = ServerId(part.text("server", pattern=NAME))
        if any(member.server == server for member in members):
            part.fault("server", f'"{server}" is a member twice', "merge the two entries")
        members.append(Member(server, tools, words(part, "prompts"), words(part, "resources")))
        part.close()
    return tuple(members)


def _exclusion(section: Section) -> Selection:
    selection = _selection(section)
    if selection == Selection():
        section.problems.append(
            Problem(section.file, section.field, "would leave out everything", "say what it is to leave out")
        )
    return selection


def _selection(section: Section) -> Selection:
    def asked(key: str, allowed: tuple[str, ...] = ()) -> tuple[str, ...] | None:
        if not section.has(key):
            return None
        found = words(section, key)
        for word in found:
            if allowed and word not in allowed:
                section.problems.append(Problem.unknown((section.file, section.place(key)), "value", word, allowed))
        return found

    selection = Selection(
        servers=asked("servers"),
        labels=asked("labels"),
        operations=asked("operations", OPERATIONS),
        risks=asked("risks", RISKS),
        tools=asked("tools"),
        prompts=asked("prompts"),
        resources=asked("resources"),
    )
    section.close()
    return selection


def _audience(section: Section) -> Audience | None:
    # An audience that is written and empty is nobody's: it lets in whom a grant lets in.
    return audience(section.section("audience")) if section.has("audience") else None
