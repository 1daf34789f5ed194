"""Verifying a log from its files and public keys alone. Damage is a value that names the file and the index.

Three verdicts, never mixed: the log is whole; something is wrong with it; or what was given is not enough to tell.
"""

import re
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path
from typing import Final, NamedTuple

from tallystick.audit.offline.content import Forgotten, Kept, Story, check_kept, check_told, ended, fault, forgotten
from tallystick.audit.offline.follow import Followed, UntrustedError
from tallystick.audit.offline.others import hear
from tallystick.audit.offline.read import Damage, DirectoryFiles, Files, UnreadableError, read_fields
from tallystick.audit.offline.report import Report, Wanted, refused
from tallystick.audit.offline.tree import Extent, check_tree, genuine_leaves
from tallystick.audit.tlog.note import (
    Checkpoint,
    NoteError,
    Verifier,
    parse_vkeys,
    read_checkpoint,
    read_note,
    signed_by,
)

MINIMUM_FILE: Final = "minimum-index"
"""File of a pruned log: leaves below the number it states may be gone (C2SP tlog-tiles, pruning)."""
ALONE: Final = 1 << 17
"""A log of fewer leaves is checked before other processes have started."""
EVERYTHING: Final = Wanted()
_INDEX = re.compile(rb"(0|[1-9][0-9]{0,18})\n")
_ERASURE: Final = b'"kind":"erasure"'


class _Opened(NamedTuple):
    """A log whose checkpoint is signed by one of the keys."""

    files: Files
    keys: tuple[Verifier, ...]
    text: str
    checkpoint: Checkpoint
    signed: tuple[Verifier, ...]


def _nobody(_: int) -> None:
    """Tell nobody about progress."""


def verify_log(
    log: Path | Files,
    vkey: str | None,
    wanted: Wanted = EVERYTHING,
    *,
    opaque: bool = False,
    progress: Callable[[int], None] = _nobody,
) -> Report:
    """Re-derive everything: signatures, leaf hashes, tiles, root; unless opaque, also read what the leaves say.

    `vkey` holds the keys that are trusted, one per line, of which one must have signed; None: those beside the log,
    which proves only that it agrees with itself. `progress` is told how many leaves were checked since the last time.
    Raises NoteError for a text that holds no keys, OSError for files that cannot be read.
    """
    files = DirectoryFiles(log) if isinstance(log, Path) else log
    opened = _open(files, vkey, every=wanted.every_key)
    if isinstance(opened, Report):
        return opened
    size = opened.checkpoint.size
    start = min(wanted.part[0], size)
    stop = size if wanted.part[1] is None else max(start, min(wanted.part[1], size))
    minimum = _minimum(files)
    extent = Extent(size, range(start, stop), minimum if minimum <= size else 0, opaque)
    with _pool(wanted.processes, stop - start) as pool:
        story = check_tree(files, extent, opened.checkpoint.root, pool, progress)
    if minimum > size:
        story.blame(MINIMUM_FILE, None, f"is no number of leaves up to {size}")
    for file, wrong in _beside(opened):
        story.blame(file, None, wrong)
    return _conclude(opened, wanted, extent, story)


def _conclude(opened: _Opened, wanted: Wanted, extent: Extent, story: Story) -> Report:
    """Hold the log against what lies beside it, and report."""
    files, keys, text, checkpoint, signed = opened
    heard = hear(files, (text, checkpoint), keys, (wanted.others, wanted.policy), story)
    kept, pruned, untold = Kept({}, ()), "", heard.untold
    if not extent.opaque:
        check_told(files, keys, signed, story)
        for finding in ended(story):
            story.find(finding.kind, finding.index, finding.text)
        erasures = _forgotten(opened, extent, story) if wanted.payloads is not None or extent.minimum else []
        if extent.minimum:
            pruned = _pruned_under(opened, extent, erasures, story)
            # Whoever can delete leaves can write that file, too: only a leaf says that they were removed rightly.
            if not pruned and extent.part.start < extent.minimum:
                untold = (*untold, f"leaves before {extent.minimum} may be gone, and no leaf that is here records it")
        if wanted.payloads is not None:
            leaves = genuine_leaves(files, extent, story)
            kept = check_kept(leaves, _year(opened), erasures, wanted.payloads, story)
    return Report(
        checkpoint.origin,
        checkpoint.size,
        checkpoint.root.hex(),
        dict(story.kinds),
        tuple(sorted(story.opened)),
        tuple(story.damage),
        story.damages,
        findings=tuple(story.findings),
        found=story.found,
        unverified=untold,
        signed_by=tuple(key.vkey for key in signed if key in keys),
        cosigned=heard.cosigned,
        part=(extent.part.start, extent.part.stop),
        minimum=extent.minimum,
        pruned_under=pruned,
        first=story.first,
        last=story.last,
        payloads=kept.counted,
        payloads_gone=kept.gone,
    )


def _open(files: Files, vkey: str | None, *, every: bool) -> _Opened | Report:
    if vkey is not None:
        keys = parse_vkeys(vkey)
    else:
        try:
            keys = parse_vkeys((files.read("vkey") or b"").decode(errors="replace"))
        except NoteError as error:
            return refused(Damage("vkey", None, error.message))
    raw = files.read("checkpoint")
    if raw is None:
        return refused(Damage("checkpoint", None, "is missing"))
    try:
        text = raw.decode()
        note = read_note(text)
        signed = {one.verifier for one in signed_by(note, {*keys, *_listed(files)})}
        checkpoint = read_checkpoint(note.body)
    except UnicodeDecodeError:
        return refused(Damage("checkpoint", None, "is not text"))
    except NoteError as error:
        return refused(Damage("checkpoint", None, error.message))
    missing = [key for key in keys if key not in signed]
    if len(missing) == len(keys) or (every and missing):
        return _not_signed(files, missing)
    if any(key.name != checkpoint.origin for key in signed.intersection(keys)):
        return refused(Damage("checkpoint", None, f"is one of {checkpoint.origin}, another log"))
    return _Opened(files, keys, text, checkpoint, tuple(signed))


def _not_signed(files: Files, missing: Sequence[Verifier]) -> Report:
    which = "this key" if len(missing) == 1 else "these keys"
    text = f"{which} did not sign this log: {', '.join(key.label for key in missing)}"
    # The key that the log itself names did not sign: then it is the checkpoint that was changed, not the key.
    if set(_listed(files)).intersection(missing):
        return refused(Damage("checkpoint", None, text))
    return Report("", 0, "", {}, (), (), unverified=(text,))


def _listed(files: Files) -> tuple[Verifier, ...]:
    """The keys beside the log; none where the list is not one."""
    try:
        return parse_vkeys((files.read("vkey") or b"").decode())
    except (NoteError, UnicodeDecodeError):
        return ()


def _beside(opened: _Opened) -> Generator[tuple[str, str]]:
    """What is wrong with the list of keys beside the log: each of them must be a key, and have signed."""
    stated, listed = opened.files.read("vkey"), _listed(opened.files)
    if stated is None:
        return
    if "".join(key.vkey + "\n" for key in listed).encode() != stated:
        yield "vkey", "is not a list of keys, one on each line"
    for key in listed:
        if key not in opened.signed and key in opened.keys:
            yield "checkpoint", f"is not signed by {key.label}, as it should be"
        elif key not in opened.signed:
            yield "vkey", f"{key.label} is not a key that signed the checkpoint"


def _year(opened: _Opened) -> int:
    """Year of a log, by its origin; 0 where it says none."""
    year = opened.checkpoint.origin.rpartition("/")[2]
    return int(year) if year.isdecimal() else 0


def _forgotten(opened: _Opened, extent: Extent, story: Story) -> list[Forgotten]:
    """Every erasure on record: those of the part, those behind it, and those in the logs of later years."""
    prefix, year = opened.checkpoint.origin.rpartition("/")[0], _year(opened)
    whole = len(extent.part) == extent.size
    erasures = forgotten(story.told, year) if whole else []
    for name in opened.files.names("..") if year else ():
        if name.isdecimal() and int(name) > year - (not whole):
            vkeys = [Verifier(f"{prefix}/{name}", key.key, key.kind).vkey for key in opened.keys]
            try:
                erasures += forgotten(_erasures(Followed(_Shard(opened.files, name).read, vkeys)), int(name))
            except (UntrustedError, UnreadableError) as error:
                story.find("chain", None, f"erasures on record in {prefix}/{name} are left out: {error.message}")
    return erasures


def _pruned_under(opened: _Opened, extent: Extent, erasures: list[Forgotten], story: Story) -> str:
    """Name of the leaf that records that leaves were pruned; a finding where there is none."""
    for one in erasures:
        if any(year == _year(opened) and first == 0 and last >= extent.minimum - 1 for year, first, last in one.pruned):
            return one.name
    text = f"leaves before this one may be gone, as {MINIMUM_FILE} states, and no leaf that is here records it"
    story.find("pruned", extent.minimum, text)
    return ""


class _Shard(NamedTuple):
    """The log of another year, beside this one."""

    files: Files
    name: str

    def read(self, path: str) -> bytes | None:
        """Read a file of it."""
        return self.files.read(f"../{self.name}/{path}")


def _erasures(log: Followed) -> list[tuple[int, dict[str, object]]]:
    log.refresh()
    # That log is not verified here: what only looks like an erasure explains nothing.
    return [
        (index, read_fields(leaf))
        for index, leaf in log.leaves(0)
        if _ERASURE in leaf and fault(leaf, "erasure") is None
    ]


def _minimum(files: Files) -> int:
    stated = files.read(MINIMUM_FILE)
    if stated is None:
        return 0
    found = _INDEX.fullmatch(stated)
    return int(found[1]) if found else 1 << 64


@contextmanager
def _pool(processes: int, leaves: int) -> Generator[tuple[Executor, int] | None]:
    if processes == 1 or leaves < ALONE:
        yield None
        return
    # Spawned, not forked: who calls may run threads.
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        yield pool, processes
