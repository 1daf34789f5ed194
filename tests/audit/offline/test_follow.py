"""Whoever follows a log is handed nothing that a signed checkpoint does not vouch for."""

import shutil
from collections.abc import Callable
from copy import copy
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tallystick.audit import offline
from tallystick.audit.tlog.note import Checkpoint, sign_checkpoint
from tests.export.published import KEY, Published

OTHER = Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33)))


def opened(log: Published, believed: offline.Checkpoint | None = None) -> offline.Followed:
    """A reader that trusts the key beside the log."""
    vkeys = (log.directory / "vkey").read_text().split("\n")
    return offline.Followed(offline.reader(log.directory), vkeys, believed)


def plain(log: Published, count: int) -> None:
    """Publish that many short leaves."""
    first = len(log.leaves)
    log.publish([b'{"index":%d}' % index for index in range(first, first + count)])


@pytest.mark.parametrize("size", [0, 1, 2, 255, 256, 257, 511, 512, 65_535, 65_536, 66_000])
def test_every_leaf_of_every_shape_of_tree_is_read(tmp_path: Path, size: int) -> None:
    log = Published(tmp_path)
    plain(log, size)
    follower = opened(log)
    assert follower.refresh().size == size
    assert list(follower.leaves(max(0, size - 600))) == [
        (index, b'{"index":%d}' % index) for index in range(max(0, size - 600), size)
    ]
    for index in {0, size // 2, size - 1} if size else ():
        assert follower.leaf(index) == b'{"index":%d}' % index


def test_a_growing_log_is_read_on(tmp_path: Path) -> None:
    log = Published(tmp_path)
    follower = opened(log)
    seen: list[bytes] = []
    for count in (1, 3, 250, 2, 1, 255, 300, 7):
        plain(log, count)
        follower.refresh()
        seen += [leaf for _, leaf in follower.leaves(len(seen))]
    assert seen == log.leaves


class _Counted:
    """The files of a log, and which of them were asked for."""

    def __init__(self, log: Published) -> None:
        self._read = offline.reader(log.directory)
        self.asked: list[str] = []

    def __call__(self, path: str) -> bytes | None:
        self.asked.append(path)
        return self._read(path)


def test_a_follower_that_rests_keeps_only_the_end_of_its_log(tmp_path: Path) -> None:
    log = Published(tmp_path)
    plain(log, 5 * 256)
    read = _Counted(log)
    follower = offline.Followed(read, (log.directory / "vkey").read_text().split("\n"))
    follower.refresh()
    everything = list(follower.leaves(0))
    read.asked.clear()
    assert list(follower.leaves(0)) == everything
    assert read.asked == []
    follower.rest()
    assert follower.leaf(5 * 256 - 1) == everything[-1][1]
    assert read.asked == []
    assert list(follower.leaves(0)) == everything
    assert {path for path in read.asked if "entries" in path} == {f"tile/entries/{number:03d}" for number in range(3)}


FORGERIES: dict[str, Callable[[Published], None]] = {}


def forgery(make: Callable[[Published], None]) -> Callable[[Published], None]:
    """Note a way to forge."""
    FORGERIES[make.__name__] = make
    return make


@forgery
def a_leaf_of_a_full_bundle(log: Published) -> None:
    flip(log.directory / "tile/entries/001", 100)


@forgery
def a_leaf_of_the_last_bundle(log: Published) -> None:
    flip(next((log.directory / "tile/entries").glob("256.p/*")), 30)


@forgery
def a_bundle_that_ends_early(log: Published) -> None:
    path = log.directory / "tile/entries/001"
    path.write_bytes(path.read_bytes()[:-1])


@forgery
def a_leaf_with_its_tile(log: Published) -> None:
    leaves = list(log.leaves[256:512])
    leaves[7] = b'{"index":"forged"}'
    pack, leaf_hash = offline_pack()
    (log.directory / "tile/entries/001").write_bytes(pack(leaves))
    (log.directory / "tile/0/001").write_bytes(b"".join(map(leaf_hash, leaves)))


@forgery
def a_tile_of_the_second_level(log: Published) -> None:
    flip(log.directory / "tile/1/000", 32)


@forgery
def a_tile_of_the_third_level(log: Published) -> None:
    flip(log.directory / "tile/2/000.p/1", 5)


@forgery
def a_checkpoint_of_another_key(log: Published) -> None:
    log.key = OTHER
    log.publish([])


@forgery
def a_checkpoint_with_another_size(log: Published) -> None:
    path = log.directory / "checkpoint"
    path.write_text(path.read_text().replace("\n65700\n", "\n65699\n"))


def offline_pack() -> tuple[Callable[[list[bytes]], bytes], Callable[[bytes], bytes]]:
    """How bundles and leaf hashes are made."""
    from tallystick.audit.tlog.merkle import leaf_hash  # noqa: PLC0415 - the forger's tools
    from tallystick.audit.tlog.tiles import pack  # noqa: PLC0415 - the forger's tools

    return pack, leaf_hash


def flip(path: Path, at: int) -> None:
    """Change one byte of a file."""
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Published:
    """A log with tiles of three levels."""
    log = Published(tmp_path_factory.mktemp("large"))
    plain(log, 65_700)
    return log


@pytest.mark.parametrize("name", FORGERIES)
def test_a_forged_log_is_not_read_past_what_is_true(large: Published, tmp_path: Path, name: str) -> None:
    log = copy(large)
    log.directory = Path(shutil.copytree(large.directory, tmp_path / "2026"))
    FORGERIES[name](log)
    follower = opened(log)
    read: list[bytes] = []

    def read_on() -> None:
        follower.refresh()
        for index in (300, 65_690, *range(250, 270)):
            read.append(follower.leaf(index))  # noqa: PERF401 - what was read before the refusal counts

    with pytest.raises(offline.UntrustedError):
        read_on()
    assert set(read) <= set(log.leaves)


def test_what_is_missing_is_named_and_is_no_forgery(tmp_path: Path) -> None:
    log = Published(tmp_path)
    plain(log, 300)
    (log.directory / "tile/entries/000").unlink()
    follower = opened(log)
    follower.refresh()
    with pytest.raises(offline.UnreadableError, match="tile/entries/000 is missing"):
        follower.leaf(3)
    with pytest.raises(offline.UnreadableError, match="no leaf 300"):
        follower.leaf(300)


def test_a_log_that_was_rolled_back_is_noticed(tmp_path: Path) -> None:
    log = Published(tmp_path / "now")
    plain(log, 300)
    believed = opened(log).refresh()
    restored = Published(tmp_path / "backup")
    plain(restored, 299)
    with pytest.raises(offline.UntrustedError, match="rolled back from 300 leaves to 299"):
        opened(restored, believed).refresh()


@pytest.mark.parametrize("count", [300, 301, 600])
def test_two_histories_under_one_key_are_noticed(tmp_path: Path, count: int) -> None:
    log = Published(tmp_path / "one")
    plain(log, 300)
    believed = opened(log).refresh()
    fork = Published(tmp_path / "two")
    fork.publish([b'{"index":"another"}'])
    plain(fork, count - 1)
    with pytest.raises(offline.UntrustedError, match="tell two histories"):
        opened(fork, believed).refresh()


def test_a_checkpoint_without_any_key_is_not_believed(tmp_path: Path) -> None:
    log = Published(tmp_path)
    with pytest.raises(offline.UntrustedError, match="not signed by a key that is trusted"):
        offline.Followed(offline.reader(log.directory), ()).refresh()
    with pytest.raises(offline.UnreadableError, match="no checkpoint"):
        offline.Followed(lambda _: None, ()).refresh()


def test_partial_tiles_that_vanish_when_full_ones_come_do_no_harm(tmp_path: Path) -> None:
    log = Published(tmp_path)
    plain(log, 200)
    follower = opened(log)
    follower.refresh()
    plain(log, 100)
    for partial in ("tile/entries/000.p", "tile/0/000.p"):
        for path in (log.directory / partial).iterdir():
            path.unlink()
    # The checkpoint of 200 is still the one that is believed here.
    assert follower.leaf(150) == b'{"index":150}'
    assert follower.refresh().size == 300


def test_a_checkpoint_says_the_size_that_its_tiles_lead_to(tmp_path: Path) -> None:
    log = Published(tmp_path)
    plain(log, 300)
    forged = sign_checkpoint(Checkpoint(log.origin, 300, bytes(32)), KEY)
    (log.directory / "checkpoint").write_text(forged)
    with pytest.raises(offline.UntrustedError, match="do not lead to the root"):
        opened(log).refresh()
