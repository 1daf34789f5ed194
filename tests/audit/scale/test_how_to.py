"""docs/how-to/scale-out.md, followed literally over the real servers."""

import json
import re
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from tests.audit.scale.place import BUCKET, Place, operator
from tests.audit.scale.servers import Seaweed
from tests.test_how_tos import OWN_SERVERS, ROOT, TALLY, commands_of, run, write_files

PAGE = (ROOT / "docs/how-to/scale-out.md").read_text()
STORE_PORT = "8333"


@pytest.mark.live
def test_a_record_is_kept_elsewhere_and_verified_from_a_copy_as_the_page_says(place: Place, tmp_path: Path) -> None:
    up, mirror, verify = commands_of(PAGE)
    folder = tmp_path / "page"
    write_files(OWN_SERVERS, folder, 0)
    write_files(PAGE, folder, 0)
    (folder / "secrets").mkdir()
    settings, store = folder / "config" / "tally.yaml", _port(place.seaweed)
    prefix = f"prefix: {place.options.prefix}"
    settings.write_text(settings.read_text().replace(STORE_PORT, store).replace("prefix: tallystick/", prefix))
    (folder / "secrets" / "dsn").write_text(Path(place.options.dsn_file).read_text())
    (folder / "secrets" / "s3").write_text(place.seaweed.credentials.read_text())
    run(commands_of(OWN_SERVERS)[0], folder)
    serving = subprocess.Popen([TALLY, *up.split()[1:]], cwd=folder, stdout=subprocess.PIPE, text=True)
    assert serving.stdout is not None
    with serving.stdout:
        assert serving.stdout.readline().startswith("Tallystick listens at ")
        serving.terminate()
        serving.wait(30)
    year = _years(place)[-1]
    where = mirror.replace("tallystick/acme/2026", f"{place.options.prefix}acme/{year}").replace(STORE_PORT, store)
    assert "objects, " in run(where, folder)
    (folder / "trusted.vkey").write_bytes((folder / "copy" / "vkey").read_bytes())
    assert run(verify, folder).startswith("Verified ")
    # Readers of files go on: the writer has a copy where the log would be.
    assert run("tally audit verify", folder, {"TALLY_STATE": "state"}).startswith("Verified ")


def test_a_bucket_takes_the_lifecycle_rule_of_the_page(place: Place) -> None:
    (rule,) = re.findall(r"^```json\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    operator(place.seaweed).put_bucket_lifecycle_configuration(Bucket=BUCKET, LifecycleConfiguration=json.loads(rule))


def test_a_library_that_is_missing_is_named_with_what_installs_it(place: Place) -> None:
    program = (
        "import sys; sys.modules['psycopg'] = None; from pathlib import Path\n"
        "from tallystick.audit.scale import open_scale\n"
        f"open_scale(Path({str(place.directory)!r}), {place.options.to_json()!r}, initialize=True)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert "the scale-out store needs psycopg: pip install 'tallystick[scale]'" in done.stderr


def _port(seaweed: Seaweed) -> str:
    return seaweed.endpoint.rpartition(":")[2]


def _years(place: Place) -> list[str]:
    with closing(psycopg.connect(Path(place.options.dsn_file).read_text())) as connection:
        return [str(year) for (year,) in connection.execute("SELECT year FROM log WHERE tenant = 'acme' ORDER BY year")]
