"""What a snapshot is compiled from: documents, each with the digest of its canonical bytes.

A configuration directory and the control database that hold the same have the same canonical documents: RFC 8785 JSON
in UTF-8 with the name filled in, Cedar text as it is. So `sha256sum` over an exported state recomputes its digest.
"""

from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import Final, NamedTuple

from tallystick import audit
from tallystick.settings import Problem, parse_document
from tallystick.terms import Digest, Refusal

PROCESS_FILE: Final = "tally.yaml"
"""Process settings: read once at the start, so no part of a snapshot."""
POLICIES: Final = ".cedar"
_NAMED_BY: Final[Mapping[str, str]] = {"pins": "server"}
_SUFFIXES: Final[Mapping[str, str]] = {"pins": ".json", "policies": POLICIES}
_REVIEWED: Final = frozenset({"servers", "grants"})
_USUAL_STATE: Final = "approved"


class Document(NamedTuple):
    """One document: `name` as people know it (a path below the directory), `content` a mapping, or a policy's text.

    `digest` is the hex SHA-256 of `canonical()`. Equal digests mean equal documents, wherever they were kept.
    """

    name: str
    content: Mapping[str, object] | str
    digest: str

    @classmethod
    def of(cls, name: str, content: Mapping[str, object] | str) -> "Document | Problem":
        """Return the document, or why it has no canonical form (an integer beyond 2^53, text that is no Unicode)."""
        raw = _canonical(name, content)
        if isinstance(raw, str):
            what = f"has no canonical form ({raw})"
            return Problem(name, "", what, "use integers within 2^53 and valid Unicode")
        return cls(name, content, sha256(raw).hexdigest())

    @property
    def path(self) -> str:
        """The canonical name: the folder's usual suffix, whichever language the document was written in."""
        folder = self.name.partition("/")[0]
        return self.name.rpartition(".")[0] + _SUFFIXES.get(folder, ".yaml")

    def canonical(self) -> bytes:
        """Return the bytes whose digest this is."""
        raw = _canonical(self.name, self.content)
        return raw if isinstance(raw, bytes) else b""


def read_documents(files: Mapping[str, bytes]) -> Mapping[str, Document] | tuple[Problem, ...]:
    """Return the documents of a configuration directory by name, or every problem found in reading them."""
    entries = {name: _read(name, raw) for name, raw in sorted(files.items()) if name != PROCESS_FILE}
    problems = tuple(entry for entry in entries.values() if isinstance(entry, Problem))
    return problems or {name: entry for name, entry in entries.items() if isinstance(entry, Document)}


def state_digest(documents: Iterable[Document]) -> Digest:
    """Return the digest of a whole state: SHA-256 over what `sha256sum` prints for its documents in order of name."""
    lines = sorted((document.path, document.digest) for document in documents)
    text = "".join(f"{digest}  {path}\n" for path, digest in lines)
    return Digest("sha256:" + sha256(text.encode(errors="surrogatepass")).hexdigest())


def is_policy(name: str) -> bool:
    """Tell whether a document of this name holds Cedar text."""
    return name.endswith(POLICIES)


def _read(name: str, raw: bytes) -> Document | Problem:
    if not is_policy(name):
        content = parse_document(name, raw)
        return content if isinstance(content, Problem) else Document.of(name, content)
    try:
        return Document.of(name, raw.decode("utf-8"))
    except UnicodeDecodeError as error:
        return Problem(name, "", f"is not UTF-8 (byte {error.start})", "save it as UTF-8")


def _canonical(name: str, content: Mapping[str, object] | str) -> bytes | str:
    """Return the canonical bytes, or why there are none."""
    if isinstance(content, str):
        try:
            return content.encode()
        except UnicodeEncodeError as error:
            return str(error)
    folder, _, rest = name.partition("/")
    whole = {_NAMED_BY.get(folder, "name"): rest.rpartition(".")[0], **content}
    # What says nothing of its state is approved; saying so must not make it another document.
    if folder in _REVIEWED and whole.get("state") == _USUAL_STATE:
        del whole["state"]
    raw = audit.leaf.canonical(whole)
    return raw.detail if isinstance(raw, Refusal) else raw
