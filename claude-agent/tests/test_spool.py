"""The spool keeps what was said, in order and without gaps, whatever kills its writer."""

from pathlib import Path

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
