"""Fixtures of the cluster tests."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.program import Program


@pytest.fixture
def program() -> Iterator[Program]:
    """A data directory of its own; whatever still runs at the end is stopped."""
    directory = Path(tempfile.mkdtemp(prefix="kube-lite-test-"))
    program = Program(directory)
    try:
        yield program
    finally:
        if program.process is not None:
            program.kill()
        program.run("down")
        shutil.rmtree(directory)
