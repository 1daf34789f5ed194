"""AWS KMS as key provider: the adapter's two calls against moto's server, and what it says when they fail."""

import os
import subprocess
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

from tallystick.audit.payload import Locked, open_provider, open_vaults
from tallystick.audit.payload.keys.kms import AwsKmsProvider
from tests.audit import sample
from tests.audit.payload.stored import BANK, Hand, capture, every_file, stored

KEY = bytes(range(32))
REGION = "eu-west-1"
PYTHON = Path(__file__).resolve().parents[3] / "var/kms/bin/python"
SERVER = """
from moto.server import ThreadedMotoServer
server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
server.start()
print(server.get_host_and_port()[1], flush=True)
input()
"""


@pytest.fixture(scope="module")
def credentials() -> Iterator[None]:
    patch = pytest.MonkeyPatch()
    patch.setenv("AWS_ACCESS_KEY_ID", "made-up")
    patch.setenv("AWS_SECRET_ACCESS_KEY", "made-up")
    patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    patch.setenv("AWS_MAX_ATTEMPTS", "1")
    yield
    patch.undo()


@pytest.fixture(scope="module")
def url(credentials: None) -> Iterator[str]:
    """Address of a KMS that moto plays."""
    assert credentials is None
    pytest.importorskip("boto3", reason="SKIPPED LANE: AWS KMS because boto3 is not installed")
    if not PYTHON.exists():
        pytest.skip("SKIPPED LANE: AWS KMS because scripts/kms has not installed moto; it says why")
    argv = [str(PYTHON), "-c", SERVER]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as serving:
        assert serving.stdin is not None
        assert serving.stdout is not None
        yield f"http://127.0.0.1:{int(serving.stdout.readline())}"
        serving.stdin.close()


@pytest.fixture
def key(url: str) -> str:
    """A fresh key in KMS."""
    client = import_module("boto3").client("kms", region_name=REGION, endpoint_url=url)
    return str(client.create_key()["KeyMetadata"]["Arn"])


@pytest.mark.live
def test_a_key_is_wrapped_by_kms_and_opens_in_its_own_context_only(url: str, key: str) -> None:
    provider = AwsKmsProvider(key, REGION, url=url)
    wrapped = provider.wrap(KEY, b"one")
    assert provider.version(wrapped) == key
    assert KEY not in wrapped
    assert provider.unwrap(wrapped, b"one") == KEY
    with pytest.raises(Locked, match=r"provider aws-kms \(.*\): kms:Decrypt failed: .*Next: aws kms describe-key"):
        provider.unwrap(wrapped, b"two")


@pytest.mark.live
def test_a_whole_state_directory_lives_on_kms_and_moves_to_another_key(url: str, key: str, tmp_path: Path) -> None:
    vaults = open_vaults(tmp_path, AwsKmsProvider(key, REGION, url=url), Hand())
    stored(vaults.vault(BANK), 1, capture(("args", b"x")))
    client = import_module("boto3").client("kms", region_name=REGION, endpoint_url=url)
    second = str(client.create_key()["KeyMetadata"]["Arn"])
    vaults.rewrap(AwsKmsProvider(second, REGION, url=url))
    vaults.close()
    text = f'{{"provider":"aws-kms","key":"{second}","region":"{REGION}","url":"{url}"}}'
    again = open_vaults(tmp_path, open_provider(tmp_path, text), Hand())
    assert [entry.master for entry in again.status().keyring_keys] == [second]
    assert again.vault(BANK).reveal(sample.call_of(1), "args") == b"x"
    assert not [path for path, content in every_file(tmp_path) if b"made-up" in content]


@pytest.mark.live
def test_an_unknown_key_stops_the_start(url: str, tmp_path: Path) -> None:
    with pytest.raises(Locked, match="kms:Encrypt failed"):
        open_vaults(tmp_path, AwsKmsProvider("alias/none", REGION, url=url), Hand())


def test_a_kms_that_cannot_be_reached_stops_the_start(credentials: None, tmp_path: Path) -> None:
    assert credentials is None
    pytest.importorskip("boto3", reason="SKIPPED LANE: AWS KMS because boto3 is not installed")
    with pytest.raises(Locked, match=r"kms:Encrypt failed: .*Next: aws kms describe-key --key-id alias/tally"):
        open_vaults(tmp_path, AwsKmsProvider("alias/tally", REGION, url="http://127.0.0.1:9"), Hand())
    assert os.listdir(tmp_path) == ["keys"]  # noqa: PTH208 - only names are wanted
    assert not list((tmp_path / "keys").iterdir())
