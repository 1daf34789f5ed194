"""What several kinds of document share: names, lists of words, dates, owners, whom something is for."""

from collections.abc import Mapping
from datetime import date, datetime

from tallystick.registry.model import STATES, Audience, Owner, State
from tallystick.settings import Section

NAME = r"[a-z0-9][a-z0-9-]{0,62}"
"""Names of tenants, issuers, servers and toolsets: safe in a URL, a file name and (no underscore) before `__`."""
DATE = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
MOMENT = r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?(Z|[+-][0-9]{2}:[0-9]{2})"
URL = r"https?://[!-~]+"


def words(section: Section, key: str) -> tuple[str, ...]:
    """Return a list of texts, none of them empty or there twice, in the order of the document."""
    texts = section.texts(key)
    if "" in texts:
        section.fault(key, "holds an empty text", "remove it")
    if len(set(texts)) < len(texts):
        section.fault(key, "says something twice", "say it once")
    return texts


def day(section: Section, key: str) -> date | None:
    """Return a date written as YYYY-MM-DD (RFC 3339, full-date), or None where there is none."""
    text = section.text(key, "", pattern=DATE)
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        section.fault(key, f'"{text}" is no day of the calendar', "write it like 2027-01-31")
        return None


def moment(section: Section, key: str) -> tuple[str, float] | None:
    """Return a time written as RFC 3339 says, with the same in seconds since 1970, or None where there is none."""
    text = section.text(key, "", pattern=MOMENT)
    try:
        return (text, datetime.fromisoformat(text).timestamp()) if text else None
    except ValueError:
        section.fault(key, f'"{text}" is no time', "write it like 2027-01-31T18:00:00Z")
        return None


def owner(section: Section, key: str = "owner") -> Owner:
    """Return who answers for something: one plain text (a person or a team), or person, team and legal entity."""
    if section.holds_text(key):
        return Owner(person=section.text(key))
    part = section.section(key)
    found = Owner(part.text("person", ""), part.text("team", ""), part.text("legal_entity", ""))
    part.close()
    return found


def audience(section: Section) -> Audience:
    """Return the people, groups, agents and clients that a section names."""
    found = Audience(
        words(section, "people"), words(section, "groups"), words(section, "agents"), words(section, "clients")
    )
    section.close()
    return found


def state(section: Section) -> State:
    """Return where something reviewed stands; what does not say is approved, as every file always was."""
    return section.choice("state", STATES, "draft") if section.has("state") else "approved"


def unsaid(fields: Mapping[str, object]) -> frozenset[str]:
    """Return the names among `fields` whose value says nothing."""
    return frozenset(name for name, value in fields.items() if not value)
