"""Reads what others have written down about servers: registries, clients' configuration files, ToolHive, Docker.

Bytes in, proposals and a report out. Nothing is silently dropped: every field is carried over or reported. It must
never carry a secret's value, take a server's word for its risk, or propose anything but a draft.
"""

from tallystick.registry.imports.draft import slug
from tallystick.registry.imports.model import Carried, Imported, Left, Proposal, Reference
from tallystick.registry.imports.read import FORMATS, Format, read

__all__ = ["FORMATS", "Carried", "Format", "Imported", "Left", "Proposal", "Reference", "read", "slug"]
