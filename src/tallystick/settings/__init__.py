"""The only reader of the environment and of configuration files.

It turns a directory into bytes, bytes into plain documents, and `tally.yaml` into typed process settings. It must never
contain what a document *means* (that is `registry` and `policy`), a network client, or a clock.
"""

from tallystick.settings.directory import fingerprint, read_directory
from tallystick.settings.document import parse_document
from tallystick.settings.model import AuditSettings, GatewaySettings, IdentitySettings, RuntimeSettings, Settings
from tallystick.settings.places import places
from tallystick.settings.problem import Problem
from tallystick.settings.process import parse_settings
from tallystick.settings.section import Section

__all__ = [
    "AuditSettings",
    "GatewaySettings",
    "IdentitySettings",
    "Problem",
    "RuntimeSettings",
    "Section",
    "Settings",
    "fingerprint",
    "parse_document",
    "parse_settings",
    "places",
    "read_directory",
]
