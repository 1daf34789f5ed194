"""Many who change the same thing at once, in threads and in processes: nobody's change is lost."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

from tallystick.control import Control, Postgres, Sqlite
from tests.control.editor import SHARED, edit
from tests.control.stage import done, opened, tenant

EDITORS, TIMES = 50, 1


def test_fifty_editors_lose_no_update(control: Control) -> None:
    done(control, tenant())
    with ThreadPoolExecutor(EDITORS) as pool:
        editing = [pool.submit(edit, control, f"e{number}", TIMES) for number in range(EDITORS)]
        assert sum(edited.result() for edited in editing) >= 0
    found = control.get(SHARED)
    assert found is not None
    assert (found.labels["count"], found.version) == (str(EDITORS * TIMES), EDITORS * TIMES + 1)
    assert {found.labels[f"e{number}"] for number in range(EDITORS)} == {"1"}
    counts = [int(entry.after.labels["count"]) for entry in control.history(SHARED, after=1, limit=1000) if entry.after]
    assert counts == list(range(1, EDITORS * TIMES + 1))
    assert len(control.outbox(1000)) == EDITORS * TIMES + 1


def test_editors_in_several_processes_lose_no_update(place: Sqlite | Postgres) -> None:
    where = place.dsn if isinstance(place, Postgres) else str(place.path)
    with opened(place) as control:
        done(control, tenant())
        running = [
            subprocess.Popen([sys.executable, "-m", "tests.control.editor", where, str(number), "4"])
            for number in range(1, 4)
        ]
        edit(control, "mine", 4)
        assert [process.wait(60) for process in running] == [0, 0, 0]
        found = control.get(SHARED)
        assert found is not None
        assert (found.labels["count"], control.head()) == ("16", 17)
