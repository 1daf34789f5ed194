"""From bytes to a plain document: JSON with comments and trailing commas, TOML or YAML, each read strictly.

What could be read in two ways is refused by the strict readers of `settings`: duplicate keys, aliases and tags of YAML,
deep nesting. The form called JSONC has no standard; this is what VS Code reads: `//` and `/* */` comments and one comma
before a closing bracket.
"""

from typing import Final, Literal

from tallystick.settings import Problem, parse_document

Syntax = Literal["json", "toml", "yaml"]

MAX_BYTES: Final[dict[Syntax, int]] = {"json": 4 * 1024 * 1024, "toml": 2 * 1024 * 1024, "yaml": 2 * 1024 * 1024}
"""Largest document in bytes. YAML is read about a hundred times slower than JSON, so less of it is taken."""

SOURCE: Final = "import"
"""The name that problems give what was read, which has no file name."""


def parse(raw: bytes, syntax: Syntax | None) -> dict[str, object] | Problem:
    """Return the mapping that `raw` holds; without `syntax` it is told by its first letters."""
    if len(raw) > max(MAX_BYTES.values()):
        return _too_large(max(MAX_BYTES.values()))
    raw = raw.removeprefix(b"\xef\xbb\xbf")
    if syntax is None:
        return _guess(raw)
    if len(raw) > MAX_BYTES[syntax]:
        return _too_large(MAX_BYTES[syntax])
    if syntax == "json" and isinstance(parse_document(f"{SOURCE}.json", raw), Problem):
        # Only what is no JSON as it stands is looked at letter by letter.
        try:
            raw = without_comments(raw.decode("utf-8")).encode("utf-8")
        except UnicodeDecodeError as error:
            return Problem(SOURCE, "", f"is not UTF-8 (byte {error.start})", "save it as UTF-8")
        except ValueError as error:
            return Problem(SOURCE, "", str(error), "correct the syntax")
    parsed = parse_document(f"{SOURCE}.{syntax}", raw)
    return Problem(SOURCE, parsed.field, parsed.what, parsed.remedy) if isinstance(parsed, Problem) else parsed


def _guess(raw: bytes) -> dict[str, object] | Problem:
    """Braces and comments of JSON start no TOML and no YAML that anybody writes; and hardly any YAML is TOML."""
    if raw.lstrip()[:2] in {b"//", b"/*"} or raw.lstrip()[:1] == b"{":
        return parse(raw, "json")
    parsed = parse(raw, "toml")
    return parse(raw, "yaml") if isinstance(parsed, Problem) else parsed


def _too_large(limit: int) -> Problem:
    return Problem(SOURCE, "", f"is larger than {limit} bytes", "import it in parts")


def without_comments(text: str) -> str:
    """Return JSON with comments and trailing commas blanked out, every other letter in its place. Raises ValueError."""
    kept: list[str] = []
    comma = -1  # where in `kept` a comma is that follows a value, and that only blanks and comments follow
    before = "{"  # the last letter that was no blank and no comment
    at = 0
    while at < len(text):
        letter = text[at]
        if letter == '"':
            end = _end_of_string(text, at)
            kept.append(text[at:end])
            before, comma, at = '"', -1, end
            continue
        if letter == "/":
            end = _end_of_comment(text, at)
            kept.append("".join(each if each in "\r\n" else " " for each in text[at:end]))
            at = end
            continue
        if letter in "}]" and comma >= 0:
            kept[comma] = " "
        if letter not in " \t\r\n":
            comma = len(kept) if letter == "," and before not in "{[,:" else -1
            before = letter
        kept.append(letter)
        at += 1
    return "".join(kept)


def _end_of_string(text: str, start: int) -> int:
    at = start + 1
    while at < len(text):
        if text[at] == "\\":
            at += 2
            continue
        if text[at] == '"':
            return at + 1
        at += 1
    msg = "a string is not closed"
    raise ValueError(msg)


def _end_of_comment(text: str, start: int) -> int:
    if text.startswith("//", start):
        ends = [end for end in (text.find("\n", start), text.find("\r", start)) if end >= 0]
        return min(ends, default=len(text))
    if text.startswith("/*", start):
        end = text.find("*/", start + 2)
        if end >= 0:
            return end + 2
    msg = "a slash starts no comment here, or its comment is not closed"
    raise ValueError(msg)
