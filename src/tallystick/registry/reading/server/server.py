"""Reads `servers/<name>.yaml` and joins it with its pin."""

from urllib.parse import urlsplit

from tallystick.registry.model import HttpTransport, Limits, Pin, Server, StdioTransport
from tallystick.registry.reading.server.about import parse_about
from tallystick.registry.reading.server.tool import parse_tools
from tallystick.registry.reading.words import NAME, state
from tallystick.settings import Problem, Section
from tallystick.terms import ServerId, TenantId

_MIB = 1024 * 1024


def parse_server(section: Section, pin: Pin | None, notices: list[Problem]) -> Server:
    """Read one server with its tools. Oddities that stop nothing are added to `notices`."""
    transport = _transport(section.section("transport"))
    about = parse_about(section, transport)
    return Server(
        name=ServerId(section.stem),
        tenant=TenantId(section.text("tenant", pattern=NAME)),
        title=section.text("title", section.stem),
        owner=str(about.owner),
        transport=transport,
        limits=_limits(section.section("limits")),
        tools=parse_tools(section, pin, notices),
        state=state(section),
        about=about,
    )


def _transport(section: Section) -> HttpTransport | StdioTransport:
    if section.has("http") == section.has("stdio"):
        section.fault("http", "exactly one of http and stdio must be set", "keep one of the two")
    is_http = section.has("http")
    part = section.section("http" if is_http else "stdio")
    transport = _http(part) if is_http else _stdio(part)
    part.close()
    section.close()
    return transport


def _http(section: Section) -> HttpTransport:
    url = section.text("url", pattern=r"https?://[!-~]+")
    try:
        parts = urlsplit(url)
        port = parts.port
        is_plain = bool(parts.hostname) and "@" not in parts.netloc and not parts.fragment and port != 0
    except ValueError:
        is_plain = False
    if url and not is_plain:
        section.fault("url", f'"{url}" is not a plain http(s) URL', "write it without credentials and fragment")
    ca_file = section.text("ca_file", "")
    return HttpTransport(url, section.flag("allow_special_addresses", default=False), ca_file or None)


def _stdio(section: Section) -> StdioTransport:
    command = section.texts("command", None)
    if not command or not command[0]:
        section.fault("command", "names no program", "write the program and its arguments as a list")
    part = section.section("env")
    env = {key: part.text(key) for key in part.keys()}  # noqa: SIM118 - not a dict
    cwd = section.text("cwd", "")
    return StdioTransport(command, env, cwd or None)


def _limits(section: Section) -> Limits:
    usual = Limits()
    limits = Limits(
        timeout_s=section.seconds("timeout_s", usual.timeout_s, 0.1, 600),
        result_bytes=section.integer("result_bytes", usual.result_bytes, 1024, 256 * _MIB),
        in_flight=section.integer("in_flight", usual.in_flight, 1, 10_000),
    )
    section.close()
    return limits
