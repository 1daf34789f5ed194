"""A log in PostgreSQL and S3: it verifies, goes on, has one writer, and what is stored stays."""

from pathlib import Path

from tallystick import audit
from tallystick.audit.scale import mirror
from tallystick.audit.scale.bucket.mirror import Mirrored
from tests.audit.sample import BANK, YEAR, Ticking, denial
from tests.audit.scale.place import BUCKET, Place, opened_log


def mirrored(place: Place, directory: Path) -> Mirrored:
    """Download the log of a place."""
    url = f"s3://{BUCKET}/{place.options.prefix}{BANK}/{YEAR}"
    return mirror(url, directory, endpoint=place.options.endpoint, credentials=place.options.credentials_file)


def report_of(copy: Path) -> audit.offline.Report:
    """Verify a copy with the key beside it."""
    return audit.offline.verify_log(copy, audit.offline.read_vkey(copy))


def test_a_log_goes_on_where_it_was_left_and_verifies_from_a_copy_alone(place: Place, tmp_path: Path) -> None:
    with place.opened() as state:
        log = opened_log(state)
        for at in range(0, 600, 60):
            assert log.append([denial(number) for number in range(at, at + 60)]) == at
            log.publish(Ticking())
    with place.opened("b", initialize=False) as state:
        log = opened_log(state)
        assert log.append([denial(600)]) == 600
        log.publish(Ticking())
    copy = tmp_path / "copy"
    mirrored(place, copy)
    report = report_of(copy)
    assert (report.damage, report.size) == ((), 601)
    assert [leaf for _, leaf in audit.offline.read_leaves(copy, range(601))] == [denial(at) for at in range(601)]


def test_the_writer_has_a_copy_in_its_state_directory_that_follows_a_take_over(place: Place) -> None:
    copies = {host: place.directory / host / "audit" / BANK / str(YEAR) for host in ("a", "b")}
    with place.opened("a") as state:
        log = opened_log(state)
        log.append([denial(number) for number in range(250)])
        log.publish(Ticking())
        assert report_of(copies["a"]).size == 250
    for host, size in (("b", 300), ("a", 600)):
        with place.opened(host) as state:
            log = opened_log(state)
            log.append([denial(number) for number in range(log.size, size)])
            log.publish(Ticking())
            assert (report_of(copies[host]).damage, report_of(copies[host]).size) == ((), size)
            assert not (copies[host] / "tile" / "0" / "000.p" / "250").exists()
