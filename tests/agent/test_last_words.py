"""Termination messages that a log stands in for."""

from pathlib import Path

from kube_lite.agent.last_words import end_of_log

STAMP = "2024-05-01T12:00:00.000000001Z"


def test_a_log_that_stands_in_for_a_message_ends_as_the_container_did(tmp_path: Path) -> None:
    log = tmp_path / "0.log"
    log.write_text(f"{STAMP} stderr F disk full\n{STAMP} stdout P DO\n{STAMP} stdout P NE\n")
    assert end_of_log(log) == "disk full\nDONE"
    log.write_text(f"{STAMP} stdout F  DONE\n")
    assert end_of_log(log) == " DONE\n"


def test_of_a_long_log_the_last_eighty_lines_and_two_kilobytes_are_told(tmp_path: Path) -> None:
    log = tmp_path / "0.log"
    log.write_text("".join(f"{STAMP} stdout F {number:03}\n" for number in range(200)))
    assert end_of_log(log).splitlines() == [f"{number:03}" for number in range(120, 200)]
    log.write_text("".join(f"{STAMP} stdout F {'x' * 99}\n" for _ in range(40)))
    assert len(end_of_log(log)) == 2048
