"""Every message of the REST API as a struct: the one source of the parser, the client and the OpenAPI document.

Unknown members are refused where the API reads them. Must never contain behaviour.
"""

from tallystick.remote.messages import asked, declared, resources, told

__all__ = ["asked", "declared", "resources", "told"]
