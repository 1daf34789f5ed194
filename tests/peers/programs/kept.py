"""What the official Python SDKs keep of a sign-in, in memory; and a person who goes through the issuer's page."""

import urllib.parse

PERSON = "ana"
CALLBACK = "http://127.0.0.1:9999/callback"


class Storage:
    """Tokens and registration."""

    def __init__(self) -> None:
        self.tokens: object = None
        self.client: object = None

    async def get_tokens(self) -> object:
        """Return the kept tokens."""
        return self.tokens

    async def set_tokens(self, tokens: object) -> None:
        """Keep tokens."""
        self.tokens = tokens

    async def get_client_info(self) -> object:
        """Return the kept registration."""
        return self.client

    async def set_client_info(self, client_info: object) -> None:
        """Keep a registration."""
        self.client = client_info


def hinted(page: str) -> str:
    """Return the issuer's page with the person named, so that nobody has to press a button."""
    return f"{page}&login_hint={PERSON}"


def parameters(location: str) -> dict[str, str]:
    """Return what the issuer sent the browser back with."""
    return dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(location).query))
