"""What the rare leaves of a log say, held against what lies beside it: last year's log, and the keys."""

from collections.abc import Mapping
from typing import Final

from tallystick.audit.offline.content.story import Story
from tallystick.audit.offline.read import Files, is_fields, is_items
from tallystick.audit.tlog.merkle import consistency, is_consistent
from tallystick.audit.tlog.note import Checkpoint, NoteError, Verifier, open_checkpoint
from tallystick.audit.tlog.tiles import tile_node

_SHARDS: Final = ".."
"""Where the logs of a tenant's other years are, seen from one of them."""


def check_told(files: Files, keys: tuple[Verifier, ...], signed: tuple[Verifier, ...], story: Story) -> None:
    """Check the chain to the log before, and which keys were introduced and retired; `signed` have signed it now."""
    retired: dict[str, int] = {}
    introduced: set[str] = set()
    for index, fields in story.told:
        if fields["kind"] == "open":
            _previous(files, keys, index, fields, story)
        elif fields["kind"] == "key" and fields["purpose"] == "checkpoint":
            named = fields["keys"]
            vkeys = {str(vkey) for vkey in named} if is_items(named) else set[str]()
            introduced |= vkeys if fields["action"] == "introduced" else set()
            retired |= dict.fromkeys(vkeys, index) if fields["action"] == "retired" else {}
    listed = set((files.read("vkey") or b"").decode(errors="replace").splitlines())
    for vkey in sorted(listed & retired.keys()):
        story.find("key", retired[vkey], f"{vkey.partition('+')[0]}: a key that this leaf retires is still in use")
    for key in keys:
        if key.vkey in retired:
            story.find("key", retired[key.vkey], f"{key.label}, which you trust, was retired by this leaf")
        elif key not in signed and any(key.name == other.name for other in signed):
            # One of two signatures may be a forgery, where somebody has one of two keys.
            story.find("key", None, f"{key.label}, which you trust, has not signed the checkpoint")


def _previous(files: Files, keys: tuple[Verifier, ...], index: int, fields: Mapping[str, object], story: Story) -> None:
    previous = fields["previous"]
    if not is_fields(previous):
        return
    origin = str(previous["origin"])
    year = origin.rpartition("/")[2]
    text = files.read(f"{_SHARDS}/{year}/checkpoint") if year.isdecimal() else None
    if text is None:
        story.find("chain", index, f"continues {origin}, which is not beside this log: verify it too, and compare")
        return
    try:
        # Keys are named by their log's origin: the same key signs this year's log under another name.
        found = open_checkpoint(text.decode(), tuple(Verifier(origin, key.key, key.kind) for key in keys))
    except (NoteError, UnicodeDecodeError):
        story.find("chain", index, f"the checkpoint of {origin} is not signed by a key that you trust")
        return
    # Calls that were open at the turn of the year ended in the old log: it may have grown past what was chained.
    if not _begins(files, year, found, previous["size"], str(previous["root"])):
        text = f"continues {previous['size']} leaves of {origin}, which now has others"
        story.blame(f"{_SHARDS}/{year}/checkpoint", None, text)


def _begins(files: Files, year: str, log: Checkpoint, size: object, digest: str) -> bool:
    """Whether the first `size` leaves of a log have this root."""
    if not isinstance(size, int) or size > log.size:
        return False
    if size in {0, log.size}:
        return size == 0 or log.root.hex() == digest
    node = tile_node(lambda path: files.read(f"{_SHARDS}/{year}/{path}"), log.size)
    try:
        proof = consistency(size, log.size, node)
    except LookupError:
        return False
    return is_consistent((size, bytes.fromhex(digest)), (log.size, log.root), proof)
