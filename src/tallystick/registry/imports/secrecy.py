"""Tells what looks like a secret, by its name or by its own look. Too often rather than too seldom: what is taken for
one is left out and named in the report, so a mistake costs a line of writing; the other mistake would publish a key.
"""

import re
from typing import Final
from urllib.parse import parse_qsl, urlsplit

_NAMES: Final = re.compile(
    r"token|secret|passw|passphrase|pwd|credential|authori[sz]ation|bearer|cookie|session|signature|apikey|dsn"
    r"|(?:^|[^a-z])(?:auth|pat|pass|sig|key|keys|jwt|conn|connection|webhook)(?:[^a-z]|$)"
    r"|(?:api|access|private|secret|account|client|encryption|signing|license|subscription|service)[^a-z0-9]?key"
)
"""Names of variables, headers and arguments that hold secrets, in lower case and with words apart."""
_STEERS: Final = re.compile(
    r"(?:LD|DYLD|GLIBC|NPM(?:_CONFIG)?|NODE|YARN|PNPM|BUN|DENO|UV|PIP|PYTHON|VIRTUAL|CONDA|DOCKER|BUILDKIT|CONTAINER|PODMAN|"
    r"DOTNET|CORECLR|NUGET|JAVA|JDK|MAVEN|PERL\d?|RUBY|GEM|BUNDLE|BASH|GIT|SSH|SSL|CURL|REQUESTS|XDG)"
    r"(?:_.*|PATH|LIB|OPT|HOME|STARTUP|INSPECT|USERBASE)?"
    r"|(?:HTTPS?|ALL|NO|FTP)_PROXY|PATH|HOME|SHELL(?:OPTS)?|IFS|ENV|TMPDIR|GCONV_PATH|LOCPATH|.*_(?:PRELOAD|TOOL_OPTIONS)"
)
"""Variables that steer the program which fetches and runs a package, or the loader under it, not the package itself."""
_WORD_BORDER: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_TOKENS: Final = re.compile(
    r"\b(?:gh[pousr]_|github_pat_|glpat-|xox[abeprs]-|sk-|sk_live_|pk_live_|rk_live_|hf_|npm_|pypi-|dop_v1_|ATATT|"
    r"lin_api_|ntn_|SG\.|shpat_|AKIA|ASIA|AIza|ya29\.)[A-Za-z0-9._-]{6,}"
    r"|\beyJ[A-Za-z0-9_-]{6,}\.[A-Za-z0-9_-]{2,}\.|-----BEGIN [A-Z ]*PRIVATE KEY"
    r"|(?i:\b(?:bearer|basic|token)\s+[A-Za-z0-9+/=._~-]{8,})|://[^/\s:@]*:[^/\s@]+@"
)
"""The look of tokens that say what they are (as their issuers publish it), of keys, and of passwords in URLs."""
_DENSE: Final = re.compile(r"[A-Za-z0-9+/_=-]{20,}")
"""The look of random letters: long, no blanks or dots; with letters and digits mixed it is taken for a secret."""
_FILLED_IN: Final = re.compile(
    r"\$\{[^}]*\}|\$[A-Za-z_]\w*|\{\{[^}]*\}\}|%[A-Za-z_]\w*%|(?<!\$)\{[A-Za-z_][\w.-]*\}|<[^<>]+>"
)
"""What a client fills in by itself: `${input:x}`, `$X`, `{{x.y}}`, `%X%`, `{x}`, `<your key>`."""


def named_secret(name: str) -> bool:
    """Tell whether something of this name holds a secret."""
    return _NAMES.search(_WORD_BORDER.sub("_", name).lower()) is not None


def steers(variable: str) -> bool:
    """Tell whether a variable may change which code is fetched, loaded or run, or where it connects."""
    return _STEERS.fullmatch(variable.upper()) is not None


def token(text: str) -> bool:
    """Tell whether a text holds something that can only be a credential."""
    return _TOKENS.search(text) is not None


def secret_value(text: str) -> bool:
    """Tell whether a value by itself looks like a secret: a token, or a long run of mixed letters and digits."""
    return token(text) or any(_is_random(run) for run in _DENSE.findall(text))


def _is_random(run: str) -> bool:
    digits = sum(letter.isdigit() for letter in run)
    if any(mark in run for mark in "/-_") and max(len(word) for word in re.split(r"[/_-]", run)) < 16:  # noqa: PLR2004 - words of a path or a package's name, not a key
        return False
    return digits >= 4 and len(run) - digits >= 4  # noqa: PLR2004 - names hold a version's digits, keys many


def filled_in(text: str) -> bool:
    """Tell whether a client would fill something in before it uses the text."""
    return _FILLED_IN.search(text) is not None


def secret_queries(url: str) -> tuple[str, ...]:
    """Return the names of a URL's query parameters that look like secrets."""
    pairs = parse_qsl(urlsplit(url).query, keep_blank_values=True)
    return tuple(name for name, value in pairs if named_secret(name) or secret_value(value))
