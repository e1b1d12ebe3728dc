"""The spool keeps what was said, in order and without gaps, whatever kills its writer."""

import errno
import os
import resource
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainloop_agent import spool as spool_module
from mainloop_agent.spool import Spool, older_runs
from mainloop_models.runner import Retrying, Said


def said(number: int) -> Said:
    return Said(id=f"m{number}", turn=1, text=f"text {number} \n with a line end")


def numbers(spool: Spool) -> list[int]:
    return [report.number for report in spool.waiting()]


def test_reports_are_numbered_from_one_without_gaps(tmp_path: Path) -> None:
    spool = Spool.open(tmp_path, run=3)
    assert [spool.append(said(n)).number for n in range(5)] == [1, 2, 3, 4, 5]
    spool.close()
    again = Spool.open(tmp_path, run=3)
    assert numbers(again) == [1, 2, 3, 4, 5]
    assert [r.body for r in again.waiting()] == [said(n) for n in range(5)]
    assert again.append(said(9)).number == 6
    again.close()


def test_what_has_arrived_is_not_waiting_after_a_restart(tmp_path: Path) -> None:
    spool = Spool.open(tmp_path, run=1)
    for number in range(4):
        spool.append(said(number))
    spool.acknowledge(2)
    assert numbers(spool) == [3, 4]
    spool.close()
    again = Spool.open(tmp_path, run=1, acked=3)
    assert numbers(again) == [4]
    again.close()


def test_numbers_go_on_behind_what_has_arrived_even_when_the_file_is_empty(tmp_path: Path) -> None:
    spool = Spool.open(tmp_path, run=1, acked=7)
    assert spool.append(said(0)).number == 8
    spool.close()


@given(cut=st.integers(min_value=1, max_value=400))
def test_a_torn_end_costs_only_the_report_that_was_being_written(cut: int, tmp_path_factory: object) -> None:
    folder = tmp_path_factory.mktemp("spool")  # type: ignore[attr-defined]
    assert isinstance(folder, Path)
    spool = Spool.open(folder, run=1)
    for number in range(3):
        spool.append(said(number))
    spool.close()
    path = folder / "1.jsonl"
    whole = path.read_bytes()
    kept = whole[: max(0, len(whole) - cut)]
    path.write_bytes(kept)
    again = Spool.open(folder, run=1)
    survivors = kept.count(b"\n")
    assert numbers(again) == list(range(1, survivors + 1))
    assert again.append(said(9)).number == survivors + 1
    again.close()
    final = Spool.open(folder, run=1)
    assert numbers(final) == list(range(1, survivors + 2))
    final.close()


@pytest.mark.spec("kills-23")
@pytest.mark.parametrize("harm", ["deleted", "folder deleted", "torn", "emptied", "replaced", "another's words"])
def test_what_is_taken_from_under_its_writer_is_written_again(tmp_path: Path, harm: str) -> None:
    folder = tmp_path / "spool"
    path = folder / "1.jsonl"
    spool = Spool.open(folder, run=1)
    for number in range(1, 5):
        spool.append(said(number))
    spool.acknowledge(1)
    match harm:
        case "deleted":
            path.unlink()
        case "folder deleted":
            shutil.rmtree(folder)
        case "torn":
            os.truncate(path, path.stat().st_size - 7)
        case "emptied":
            os.truncate(path, 0)
        case "replaced":
            path.unlink()
            path.write_text("something else")
        case _:
            with path.open("a") as file:
                file.write("something else")
    # Also while nothing is said: a runner looks once a second.
    assert spool.write()
    assert numbers(Spool.open(folder, run=1, acked=1)) == [2, 3, 4]
    spool.append(said(5))
    assert numbers(Spool.open(folder, run=1, acked=1)) == [2, 3, 4, 5]


@pytest.mark.spec("kills-24")
def test_what_can_not_be_written_is_not_waiting_to_be_sent_until_it_is(tmp_path: Path) -> None:
    spool = Spool.open(tmp_path, run=1)
    spool.append(said(1))
    path = tmp_path / "1.jsonl"
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    # Room for a part of the next line.
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 20, hard))
    try:
        spool.append(said(2))
        spool.append(said(3))
        assert (numbers(spool), spool.trouble) == ([1], os.strerror(errno.EFBIG))
        assert not spool.write()
        assert path.read_bytes().count(b"\n") == 1
        spool.acknowledge(1)
        assert not spool.is_told
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert spool.write()
    assert (numbers(spool), spool.trouble) == ([2, 3], "")
    assert numbers(Spool.open(tmp_path, run=1)) == [1, 2, 3]


@pytest.mark.spec("kills-23")
@pytest.mark.parametrize("line", ["{}", "7", "\0\0\0", '{"run": 1}'])
def test_a_line_that_is_no_report_ends_a_spool(tmp_path: Path, line: str) -> None:
    spool = Spool.open(tmp_path, run=1)
    spool.append(said(1))
    with (tmp_path / "1.jsonl").open("a") as file:
        file.write(f"{line}\n")
    again = Spool.open(tmp_path, run=1)
    assert numbers(again) == [1]
    assert again.append(said(2)).number == 2
    assert numbers(Spool.open(tmp_path, run=1)) == [1, 2]


@pytest.mark.spec("kills-23")
def test_a_spool_that_lost_its_beginning_keeps_nobody_waiting(tmp_path: Path) -> None:
    """No server takes what stands behind a gap."""
    spool = Spool.open(tmp_path, run=1)
    for number in range(1, 5):
        spool.append(said(number))
    path = tmp_path / "1.jsonl"
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[2:]))
    assert numbers(Spool.open(tmp_path, run=1, acked=1)) == []
    assert numbers(Spool.open(tmp_path, run=1, acked=2)) == [3, 4]


def test_a_removed_spool_is_no_older_run(tmp_path: Path) -> None:
    for run in (2, 10, 1):
        Spool.open(tmp_path, run).close()
    assert older_runs(tmp_path, 10) == [1, 2]
    Spool.open(tmp_path, 1).remove()
    assert older_runs(tmp_path, 11) == [2, 10]
    assert older_runs(tmp_path / "nothing", 3) == []


def test_a_large_spool_is_emptied_once_all_of_it_has_arrived(tmp_path: Path) -> None:
    spool = Spool.open(tmp_path, run=1)
    text = "x" * 100_000
    count = spool_module.LARGE // len(text) + 2
    for _ in range(count):
        spool.append(Retrying(turn=1, text=text))
    spool.acknowledge(count - 1)
    assert (tmp_path / "1.jsonl").stat().st_size > spool_module.LARGE
    spool.acknowledge(count)
    assert (tmp_path / "1.jsonl").stat().st_size == 0
    assert spool.append(said(0)).number == count + 1
    spool.close()
    again = Spool.open(tmp_path, run=1, acked=count)
    assert numbers(again) == [count + 1]
    again.close()
