"""Reads what the owner of a server says of it. Nothing is required here: what is missing is told as unknown."""

from dataclasses import fields, replace

from tallystick.registry.model import (
    CLASSIFICATIONS,
    CREDENTIALS,
    Classification,
    Contract,
    Credentials,
    Provider,
    SecurityReview,
    ServerAbout,
    StdioTransport,
    Support,
)
from tallystick.registry.reading.words import day, owner, words
from tallystick.settings import Section


def parse_about(section: Section, transport: object) -> ServerAbout:
    """Read the members of a server's document that say what it is for, who answers for it and where it may be used."""
    about = ServerAbout(
        owner=owner(section),
        purpose=section.text("purpose", ""),
        provider=_provider(section.section("provider")),
        classification=_classification(section),
        jurisdictions=words(section, "jurisdictions"),
        regions=words(section, "regions"),
        approved_clients=words(section, "approved_clients"),
        environments=words(section, "environments"),
        security_review=_review(section.section("security_review")),
        credentials=_credentials(section, transport),
        support=_support(section.section("support")),
    )
    return replace(about, unknown=_unknown(about, section))


def _unknown(about: ServerAbout, section: Section) -> frozenset[str]:
    """Return the members that say no more than what stands where nothing was written."""
    nothing = ServerAbout()
    told = {field.name for field in fields(about) if getattr(about, field.name) != getattr(nothing, field.name)}
    written = {name for name in ("classification", "credentials") if section.has(name)}
    return frozenset(field.name for field in fields(about)) - told - written - {"credentials", "unknown"}


def _classification(section: Section) -> Classification:
    if not section.has("classification"):
        return "restricted"
    return section.choice("classification", CLASSIFICATIONS, "restricted")


def _provider(section: Section) -> Provider:
    name, part = section.text("name", ""), section.section("contract")
    contract = Contract(part.text("sla", ""), part.text("exit", ""), words(part, "sub_processors"))
    part.close()
    section.close()
    return Provider(name, contract)


def _review(section: Section) -> SecurityReview:
    review = SecurityReview(day(section, "date"), day(section, "next"))
    if review.date and review.next and review.next <= review.date:
        section.fault("next", "is not after the review", "write the day by which it has to be reviewed again")
    section.close()
    return review


def _support(section: Section) -> Support:
    support = Support(section.text("contact", ""), section.text("url", ""), section.text("hours", ""))
    section.close()
    return support


def _credentials(section: Section, transport: object) -> Credentials:
    usual: Credentials = "environment" if isinstance(transport, StdioTransport) and transport.env else "none"
    if not section.has("credentials"):
        return usual
    mode: Credentials = section.choice("credentials", CREDENTIALS, usual)
    if mode == "environment" and not isinstance(transport, StdioTransport):
        section.fault("credentials", "a server behind a URL is started with no environment of ours", "write none")
    return mode
