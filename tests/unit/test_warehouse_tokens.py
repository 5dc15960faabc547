"""A deduplication log after a kill: its last token counts only with the block in place."""

from pathlib import Path

import pytest

from services.warehouse.tokens import forget_unkept

FIRST, SECOND = "1\t202611_1_1_1\t202611_11_11\n", "1\t202611_2_2_1\t202611_22_22\n"


def a_table(store: Path, *folders: str, logs: tuple[str, ...] = (FIRST + SECOND,)) -> Path:
    """A table's folder with some blocks in place, and its deduplication logs in their order."""
    table = store / "store" / "abc" / "abcdef"
    (table / "deduplication_logs").mkdir(parents=True)
    for folder in folders:
        (table / folder).mkdir()
    for number, content in enumerate(logs, 1):
        log_path(table, number).write_text(content)
    return table


def log_path(table: Path, number: int) -> Path:
    return table / "deduplication_logs" / f"deduplication_log_{number}.txt"


def test_a_token_without_its_block_is_forgotten(tmp_path: Path) -> None:
    table = a_table(tmp_path, "202611_1_1_1", "tmp_insert_202611_2_2_1")

    assert forget_unkept(tmp_path) == ["202611_2_2_1"]

    assert log_path(table, 1).read_text() == FIRST
    assert forget_unkept(tmp_path) == []


@pytest.mark.parametrize("place", ["202611_2_2_1", "202611_1_2_2", "202611_1_9_3_12"])
def test_a_token_whose_block_is_there_or_merged_is_kept(tmp_path: Path, place: str) -> None:
    table = a_table(tmp_path, place)

    assert forget_unkept(tmp_path) == []
    assert log_path(table, 1).read_text() == FIRST + SECOND


@pytest.mark.parametrize("place", ["202610_2_2_1", "202611_3_9_2", "202611_1_1_1"])
def test_another_block_does_not_stand_in_for_it(tmp_path: Path, place: str) -> None:
    a_table(tmp_path, place)

    assert forget_unkept(tmp_path) == ["202611_2_2_1"]


def test_a_block_that_was_dropped_on_purpose_is_left_alone(tmp_path: Path) -> None:
    a_table(tmp_path, logs=(FIRST + "2\t202611_1_1_1\t202611_11_11\n",))

    assert forget_unkept(tmp_path) == []


def test_the_last_token_is_found_behind_an_empty_log_and_by_number(tmp_path: Path) -> None:
    logs = (FIRST, *[""] * 8, SECOND, "")
    table = a_table(tmp_path, "202611_1_1_1", logs=logs)

    assert forget_unkept(tmp_path) == ["202611_2_2_1"]
    assert log_path(table, 1).read_text() == FIRST
    assert log_path(table, 10).read_text() == ""


def test_a_new_store_has_nothing_to_forget(tmp_path: Path) -> None:
    assert forget_unkept(tmp_path) == []
