"""Whatever moment the writing process is killed at, what it was told is durable is there."""

import subprocess
import sys
from pathlib import Path

import pytest

ROUNDS = 300
"""``make crash N=10000`` does more."""
ROOT = Path(__file__).parent.parent.parent


@pytest.mark.timeout(180)
def test_killed_at_any_moment_or_step_a_store_has_every_acknowledged_write_and_no_half_one(
    tmp_path: Path,
) -> None:
    command = [sys.executable, "-m", "tests.storage.crashing", str(tmp_path), str(ROUNDS), "4"]
    answer = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    lines = answer.stdout.splitlines()
    assert int(lines[-1]) == ROUNDS
    assert int(lines[0].split()[0]) > ROUNDS, "they were killed while they wrote"
