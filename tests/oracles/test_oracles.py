"""Verifiers that others wrote accept our logs, proofs and signatures, and refuse them when a byte is changed."""

import json
import shutil
import subprocess
from base64 import b64encode
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from bench.verification import write_log
from tallystick.audit import offline
from tallystick.audit.offline.read import DirectoryFiles
from tallystick.audit.tlog.cosign import signing_key
from tallystick.audit.tlog.merkle import consistency
from tallystick.audit.tlog.message import COSIGNATURE, ML_DSA_44
from tallystick.audit.tlog.note import open_checkpoint, parse_vkeys, read_note, with_signatures
from tallystick.audit.tlog.tiles import tile_node
from tests.audit.sample import NOON, ORIGIN, Ticking, denial, log_directory, opened_log, opened_state

HOME = Path(__file__).resolve().parent.parent.parent / "var" / "oracles"
PROGRAMS = Path(__file__).with_name("programs")
AICS = HOME / "aics-tlog" / "bin" / "python"
NODE = HOME / "npm" / "node"
SIZES = (0, 1, 2, 255, 256, 257, 65_535, 65_536, 70_000)
WITNESS = "audit.example"
KEYS = {kind: signing_key(kind, bytes([kind]) * 32) for kind in (COSIGNATURE, ML_DSA_44)}

needs_aics = pytest.mark.skipif(not AICS.exists(), reason="aics-tlog is not installed: scripts/oracles says why")
needs_node = pytest.mark.skipif(not NODE.exists(), reason="no oracles of npm are installed: scripts/oracles says why")


class Written(NamedTuple):
    """A log that our own code wrote, with its Ed25519 key."""

    directory: Path
    vkey: str
    size: int


def _leaves(size: int) -> Iterator[bytes]:
    return (b"leaf %d" % number for number in range(size))


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> list[Written]:
    """A log of each size; all with one key, so that each continues the smaller ones."""
    key, folder = Ed25519PrivateKey.generate(), tmp_path_factory.mktemp("logs")
    return [
        Written(folder / str(size), write_log(folder / str(size), size, _leaves(size), key=key).strip(), size)
        for size in SIZES
    ]


def _ask(command: Sequence[str | Path], asked: Sequence[object]) -> list[object]:
    done = subprocess.run(
        [str(part) for part in command],
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return msgspec.json.decode(done.stdout, type=list[object])


def _question(directory: Path, vkey: str) -> dict[str, object]:
    return {"kind": "log", "directory": str(directory), "vkey": vkey, "origin": ORIGIN, "witnesses": []}


def _aics(asked: Sequence[object]) -> list[object]:
    return _ask([AICS, "-I", PROGRAMS / "judge_aics.py"], asked)


def _node(asked: Sequence[object]) -> list[object]:
    return _ask([NODE, PROGRAMS / "judge_npm.cjs", HOME / "npm" / "node_modules"], asked)


def _text(value: bytes) -> str:
    return b64encode(value).decode()


def _root(log: Written) -> bytes:
    return open_checkpoint((log.directory / "checkpoint").read_text(), parse_vkeys(log.vkey)).root


def _inclusions(log: Written) -> Iterator[dict[str, object]]:
    """Questions about leaves at the edges of tiles and of the log; each second one is about another leaf."""
    chosen = {0, 1, 254, 255, 256, 65_535, 65_536, log.size // 2, log.size - 2, log.size - 1}
    for index in sorted(index for index in chosen if 0 <= index < log.size):
        proof = offline.prove(log.directory, index)
        path = proof.partition("\n\n")[0].split("\n")[2:]
        asked: dict[str, object] = {
            "kind": "inclusion",
            "checkpoint": (log.directory / "checkpoint").read_text(),
            "origin": ORIGIN,
            "vkey": log.vkey,
            "index": index,
            "size": log.size,
            "root": _text(_root(log)),
            "path": path,
        }
        yield {**asked, "leaf": _text(b"leaf %d" % index), "explain": True}
        yield {**asked, "leaf": _text(b"leaf %d" % (index + 1))}


@needs_aics
def test_aics_tlog_accepts_our_logs_of_every_size(logs: list[Written]) -> None:
    asked = [{**_question(log.directory, log.vkey), "explain": True} for log in logs]
    assert _aics(asked) == [True] * len(SIZES)


@needs_aics
def test_aics_tlog_refuses_a_log_with_a_changed_byte(logs: list[Written], tmp_path: Path) -> None:
    asked: list[object] = []
    for name in ("tile/0/000", "tile/1/000.p/1", "tile/entries/000", "tile/entries/001.p/1", "checkpoint"):
        copy = tmp_path / name.replace("/", "-")
        shutil.copytree(logs[SIZES.index(257)].directory, copy)
        whole = (copy / name).read_bytes()
        (copy / name).write_bytes(whole[:9] + bytes([whole[9] ^ 1]) + whole[10:])
        asked.append(_question(copy, logs[0].vkey))
    assert _aics(asked) == [False] * len(asked)


@needs_aics
def test_aics_tlog_accepts_our_proofs_and_no_others(logs: list[Written]) -> None:
    asked = [question for log in logs for question in _inclusions(log)]
    assert _aics(asked) == [True, False] * (len(asked) // 2)
    steps: list[object] = []
    for old, new in pairwise(logs[1:]):
        proof = consistency(old.size, new.size, tile_node(DirectoryFiles(new.directory).read, new.size))
        roots = {"old_root": _text(_root(old)), "root": _text(_root(new))}
        step = {"kind": "consistency", "old": old.size, "size": new.size, "path": [*map(_text, proof)]}
        steps += [{**step, **roots, "explain": True}, {**step, **roots, "old_root": _text(bytes(32))}]
    assert _aics(steps) == [True, False] * (len(steps) // 2)


@pytest.fixture
def cosigned(tmp_path: Path) -> Path:
    """A log of the real writer, with both of its signatures and a witness's cosignatures of both types."""
    with opened_state(tmp_path) as state:
        log = opened_log(state)
        log.append([denial(number) for number in range(300)])
        log.publish(Ticking())
    checkpoint = log_directory(tmp_path) / "checkpoint"
    text = checkpoint.read_text()
    lines = [key.sign(WITNESS, read_note(text).body, NOON) for key in KEYS.values()]
    checkpoint.write_text(with_signatures(text, lines))
    return checkpoint.parent


@needs_aics
def test_aics_tlog_accepts_what_our_writer_and_our_witness_sign(cosigned: Path) -> None:
    asked = {**_question(cosigned, offline.read_vkey(cosigned).splitlines()[0]), "explain": True}
    other = signing_key(COSIGNATURE, b"o" * 32).verifier(WITNESS).vkey
    witnesses = [KEYS[COSIGNATURE].verifier(WITNESS).vkey, other]
    assert _aics([{**asked, "witnesses": [witness]} for witness in witnesses]) == [True, False]


@needs_node
def test_sigstore_accepts_our_checkpoints_and_proofs_and_no_others(logs: list[Written]) -> None:
    asked = [question for log in logs for question in _inclusions(log)]
    assert _node(asked) == [True, False] * (len(asked) // 2)


@needs_node
def test_noble_accepts_our_ml_dsa_signatures_and_no_others(cosigned: Path) -> None:
    text, own = (cosigned / "checkpoint").read_text(), offline.read_vkey(cosigned).splitlines()[1]
    asked: list[object] = []
    for vkey in (own, KEYS[ML_DSA_44].verifier(WITNESS).vkey):
        question = {"kind": "subtree", "vkey": vkey}
        asked += [{**question, "checkpoint": text, "explain": True}]
        asked += [{**question, "checkpoint": text.replace("\n300\n", "\n301\n")}]
    assert _node(asked) == [True, False] * 2
