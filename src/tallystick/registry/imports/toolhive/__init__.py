"""ToolHive's formats: RunConfig, both forms of its registry, permission profiles, and virtual servers (vMCP)."""

from tallystick.registry.imports.toolhive.catalog import read_registry
from tallystick.registry.imports.toolhive.permissions import read_profile
from tallystick.registry.imports.toolhive.run import read_run
from tallystick.registry.imports.toolhive.vmcp import read_virtual

__all__ = ["read_profile", "read_registry", "read_run", "read_virtual"]
