from concurrent.futures import ThreadPoolExecutor
from datetime import date

import pytest

from store.locking import locked
from telemetry.retention import let_go

TODAY = date(2026, 6, 30)


def files_of(home):
    return sorted(
        path.parent.name for folder in (home.events, home.decisions) for path in folder.rglob("*.parquet")
    )


@pytest.fixture
def kept(home):
    for folder in (home.events, home.decisions):
        for day in ("2026-05-30", "2026-05-31", "2026-06-30"):
            place = folder / f"date={day}"
            place.mkdir(parents=True)
            (place / "a.parquet").touch()
    return home


def test_by_default_all_is_kept_for_ever(kept):
    assert let_go(kept, days=0, today=TODAY) == 0
    assert len(files_of(kept)) == 6


def test_whole_days_that_are_older_go_of_every_kind(kept):
    assert let_go(kept, days=30, today=TODAY) == 2
    assert files_of(kept) == sorted(["date=2026-05-31", "date=2026-06-30"] * 2)
    assert let_go(kept, days=30, today=TODAY) == 0


def test_what_a_kill_left_of_a_removal_goes_with_the_next(kept):
    staged = kept.events / "_staging" / "going-date=2026-01-01"
    staged.mkdir(parents=True)
    let_go(kept, days=3650, today=TODAY)
    assert not staged.exists()


def test_nothing_goes_while_a_backup_or_a_compaction_reads_it(kept):
    with ThreadPoolExecutor(1) as thread:
        with locked(kept.telemetry_lock):
            going = thread.submit(let_go, kept, days=30, today=TODAY)
            with pytest.raises(TimeoutError):
                going.result(0.2)
            assert len(files_of(kept)) == 6
        assert going.result(30) == 2


def test_a_home_without_telemetry_has_nothing_to_let_go(home):
    assert let_go(home, days=1, today=TODAY) == 0
