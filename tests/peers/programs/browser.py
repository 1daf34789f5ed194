#!/usr/bin/env python3
"""A browser without a window: opens the page that a client asks for as one person, and follows it back to the client.

Usage: browser.py URL. Clients start it because the variable BROWSER names it. Needs nothing but the standard library.
"""

import sys
import time
import urllib.error
import urllib.request

PERSON = "ana"
TRIES = 100
PAUSE_S = 0.1


class _Stay(urllib.request.HTTPRedirectHandler):
    """Redirects are looked at, not followed."""

    def redirect_request(self, *_: object) -> None:
        """Follow nothing."""


def back_from(page: str) -> str:
    """Sign in, and return the address that the issuer sends the browser back to."""
    try:
        urllib.request.build_opener(_Stay).open(f"{page}&login_hint={PERSON}", timeout=10)
    except urllib.error.HTTPError as answer:
        return answer.headers["location"]
    sys.exit("the issuer did not send the browser back")


def go(address: str) -> None:
    """Visit an address; some clients listen there only a moment after they opened the browser."""
    for _ in range(TRIES):
        try:
            urllib.request.urlopen(address, timeout=10).read()  # noqa: S310 - the client's own
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(PAUSE_S)
        else:
            return


if __name__ == "__main__":
    go(back_from(sys.argv[1]))
