"""The way back to one client, whatever carries it."""

from typing import Protocol


class Channel(Protocol):
    """The way back to one client, whatever carries it."""

    async def emit(self, message: bytes) -> None:
        """Send one message before the answer; waits while the client is slow."""
        ...

    async def stay(self) -> None:
        """Show that the stream is open, although there is nothing to tell."""
        ...

    async def closed(self) -> None:
        """Return when the client has closed its side."""
        ...
