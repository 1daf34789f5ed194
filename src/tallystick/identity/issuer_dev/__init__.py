"""THE DEVELOPMENT ISSUER: an embedded authorization server for a first run on one's own machine. Never for production.

Whoever can reach it can sign in as anybody on its list, without a password. It refuses to exist under any host but
loopback, its tokens carry `tallystick_development`, and every page and log line says what it is. The room's door never
imports it; `wiring` does, when the settings ask for it by name.
"""

from tallystick.identity.issuer_dev.issuer import DevelopmentIssuer
from tallystick.identity.issuer_dev.model import Agent, Happened, Person

__all__ = ["Agent", "DevelopmentIssuer", "Happened", "Person"]
