"""Reads `webhooks/<name>.yaml`: who is told of events, and who may answer."""

from urllib.parse import urlsplit

from tallystick.registry.model import EVENTS, WEBHOOK_FORMATS, Ticketing, Webhook, WebhookFormat
from tallystick.registry.reading.words import NAME, URL, words
from tallystick.settings import Problem, Section
from tallystick.terms import TenantId

_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


def parse_webhook(section: Section) -> Webhook:
    """Read one webhook. What leaves the machine leaves it encrypted."""
    form: WebhookFormat = "generic"
    if section.has("format"):
        form = section.choice("format", WEBHOOK_FORMATS, "generic")
    return Webhook(
        name=section.stem,
        tenant=TenantId(section.text("tenant", "", pattern=NAME)),
        url=_url(section),
        format=form,
        events=_events(section),
        secret=section.text("secret", pattern=NAME),
        token=section.text("token", "", pattern=NAME),
        user=section.text("user", ""),
        allow_special_addresses=section.flag("allow_special_addresses", default=False),
        is_enabled=section.flag("enabled", default=True),
        ticketing=_ticketing(section.section("ticketing"), form),
    )


def _events(section: Section) -> tuple[str, ...]:
    events = words(section, "events")
    for event in events:
        if event not in EVENTS:
            section.problems.append(Problem.unknown((section.file, "events"), "event", event, EVENTS))
    return events


def _url(section: Section) -> str:
    url = section.text("url", pattern=URL)
    try:
        parts = urlsplit(url)
        is_plain = bool(parts.hostname) and "@" not in parts.netloc and not parts.fragment and parts.port != 0
    except ValueError:
        section.fault("url", f'"{url}" is not a plain http(s) URL', "write it like https://hooks.example.com/in")
        return url
    if url and not is_plain:
        section.fault("url", f'"{url}" is not a plain http(s) URL', "write it without credentials and fragment")
    elif parts.scheme == "http" and parts.hostname not in _LOOPBACK:
        section.fault("url", "events would leave this machine in plain text", "use https")
    return url


def _ticketing(section: Section, form: WebhookFormat) -> Ticketing:
    part = section.section("people")
    people = {account: part.text(account) for account in part.keys()}  # noqa: SIM118 - not a dict
    ticketing = Ticketing(
        section.text("project", ""),
        section.text("kind", ""),
        section.text("table", ""),
        words(section, "approve"),
        words(section, "reject"),
        people,
    )
    if form == "jira" and not ticketing.project:
        section.fault("project", "is missing, and Jira opens no ticket without one", "add the key of the project")
    section.close()
    return ticketing
