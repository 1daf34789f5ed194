"""Judges logs with aics-tlog, in its own Python: reads questions (JSON), prints an answer to each, true or false."""

import json
import sys
from base64 import b64decode
from pathlib import Path

from aics_tlog import (
    FileSystemTileReader,
    audit_tiles,
    parse_note,
    parse_vkey,
    verify_checkpoint,
    verify_consistency,
    verify_leaf_inclusion,
)
from aics_tlog.checkpoint import parse_checkpoint


def judge_log(asked: dict) -> bool:
    """Whether the checkpoint is signed and every tile and bundle leads to its root."""
    text = (Path(asked["directory"]) / "checkpoint").read_text()
    note = parse_note(text)
    witnesses = [parse_vkey(key) for key in asked["witnesses"]]
    found = verify_checkpoint(
        note, parse_vkey(asked["vkey"]), witnesses, len(witnesses), expected_origin=asked["origin"]
    )
    checkpoint = parse_checkpoint(note.text)
    report = audit_tiles(FileSystemTileReader(asked["directory"]), checkpoint.size, checkpoint.root)
    return found.ok and report.bundles == -(-checkpoint.size // 256)


def judge_inclusion(asked: dict) -> bool:
    """Whether a leaf is proven to be in a tree."""
    path = [b64decode(line) for line in asked["path"]]
    return verify_leaf_inclusion(
        b64decode(asked["leaf"]), asked["index"], asked["size"], path, b64decode(asked["root"])
    )


def judge_consistency(asked: dict) -> bool:
    """Whether a tree is proven to continue another."""
    path = [b64decode(line) for line in asked["path"]]
    return verify_consistency(asked["old"], asked["size"], b64decode(asked["old_root"]), b64decode(asked["root"]), path)


JUDGES = {"log": judge_log, "inclusion": judge_inclusion, "consistency": judge_consistency}
answers = []
for asked in json.load(sys.stdin):
    try:
        answers.append(JUDGES[asked["kind"]](asked))
    except (ValueError, OSError) as error:
        answers.append(f"{type(error).__name__}: {error}" if asked.get("explain") else False)
json.dump(answers, sys.stdout)
