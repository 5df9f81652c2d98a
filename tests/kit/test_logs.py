import io
import logging
from collections.abc import Iterator

import pytest

from kube_lite.kit.logs import configure


@pytest.fixture
def output() -> Iterator[io.StringIO]:
    """The log as text; the loggers are left as they were."""
    names = ("", "kube_lite", "kube_lite_storage", "kube_lite_runtime")
    before = [(logging.getLogger(name), logging.getLogger(name).level) for name in names]
    handlers = logging.getLogger().handlers[:]
    stream = io.StringIO()
    configure("info", stream)
    yield stream
    logging.getLogger().handlers[:] = handlers
    for logger, level in before:
        logger.setLevel(level)


def test_fields_stand_after_the_message(output: io.StringIO) -> None:
    logging.getLogger("kube_lite.agent.pods").info(
        "pod started", extra={"pod": "default/a", "why": "it was time"}
    )
    line = output.getvalue()
    assert line.endswith('INFO    agent.pods: pod started  pod=default/a why="it was time"\n')


def test_what_is_below_the_level_is_left_out_and_others_are_heard_only_in_trouble(
    output: io.StringIO,
) -> None:
    logging.getLogger("kube_lite.http").debug("not wanted")
    logging.getLogger("somebody.else").info("not wanted")
    logging.getLogger("somebody.else").warning("wanted")
    assert [line.rpartition(": ")[2] for line in output.getvalue().splitlines()] == ["wanted"]


def test_a_line_break_in_a_field_does_not_make_a_second_line(output: io.StringIO) -> None:
    logging.getLogger("kube_lite").info("said", extra={"text": "a\nb"})
    assert output.getvalue().count("\n") == 1


def test_a_traceback_follows_its_line(output: io.StringIO) -> None:
    try:
        raise ValueError("no")
    except ValueError:
        logging.getLogger("kube_lite").exception("failed")
    assert output.getvalue().splitlines()[-1] == "ValueError: no"


def test_an_unknown_level_is_refused() -> None:
    with pytest.raises(ValueError, match="debug, info, warning, error"):
        configure("loud")
