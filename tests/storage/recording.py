"""What a program asked the kernel to write to one file, in order, with its barriers: recorded by strace.

A ``Disk`` plays such a recording back to any moment and says what may be left when the power goes: all that
was written before the last barrier, and any mixture of sectors of what was written since.
"""

import random
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

SECTOR = 512
CALLS = "openat,lseek,write,writev,pwrite64,pwritev,ftruncate,fallocate,fdatasync,fsync,msync"
TRACE = ("strace", "-f", "-y", "-xx", "-s", "4000000", "-e", f"trace={CALLS}", "-e", "signal=none")


class Write(NamedTuple):
    """Bytes at an offset; ``at_once`` when the call returned only after they were on the disk."""

    offset: int
    content: bytes
    at_once: bool


class Barrier(NamedTuple):
    """All that was written before is on the disk from here on."""


class Said(NamedTuple):
    """The program said this on its standard error, a word and a number."""

    word: str
    number: int


Step = Write | Barrier | Said


def can_record() -> bool:
    """Whether there is a strace that may trace."""
    if shutil.which(TRACE[0]) is None:
        return False
    return (
        subprocess.run(["strace", "-o", "/dev/null", "true"], capture_output=True, check=False).returncode
        == 0
    )


def recorded(program: str, arguments: Sequence[str], data: Path, log: Path) -> list[Step]:
    """Run a program in Python and give what it did to the file ``data``."""
    command = [*TRACE, "-o", str(log), sys.executable, "-c", program, *arguments]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    return steps_of(log.read_text().splitlines(), data)


def steps_of(lines: Sequence[str], data: Path) -> list[Step]:
    """The steps in a log of strace. A call that another thread's interrupts is done where it is resumed."""
    hidden = "".join(f"\\x{byte:02x}" for byte in str(data).encode())
    at_once: set[str] = set()
    place: dict[str, int] = {}
    unfinished: dict[str, str] = {}
    steps: list[Step] = []
    for line in lines:
        thread, _, call = line.partition(" ")
        call = call.strip()
        if call.endswith("<unfinished ...>"):
            unfinished[thread] = call.removesuffix("<unfinished ...>")
            continue
        if call.startswith("<... "):
            call = unfinished.pop(thread, "") + call.partition(" resumed>")[2]
        name, _, rest = call.partition("(")
        descriptor = rest.partition("<")[0]
        if name == "write" and descriptor == "2":
            word, _, number = strings_in(rest)[0].decode().partition(" ")
            if number.strip().isdigit():
                steps.append(Said(word, int(number)))
        elif name == "openat" and hidden in rest and "O_DSYNC" in rest:
            at_once.add(call.rpartition("= ")[2].partition("<")[0])
        elif f"<{data}>" in rest.partition(",")[0] or f"<{hidden}>" in rest.partition(",")[0]:
            steps.extend(_step(name, rest, descriptor in at_once, place, descriptor))
    return steps


def _step(name: str, rest: str, at_once: bool, place: dict[str, int], descriptor: str) -> list[Step]:
    result = rest.rpartition("= ")[2].strip()
    if name in ("fdatasync", "fsync", "msync"):
        return [Barrier()]
    if name == "lseek":
        place[descriptor] = int(result)
        return []
    if name in ("ftruncate", "fallocate"):
        raise AssertionError(f"the simulation does not know what {name} leaves")
    content = b"".join(strings_in(rest))
    assert len(content) == int(result), rest[-200:]
    if name in ("pwrite64", "pwritev"):
        offset = int(rest.rpartition(")")[0].rpartition(",")[2])
    else:
        offset = place[descriptor]
        place[descriptor] += len(content)
    return [Write(offset, content, at_once)]


def strings_in(text: str) -> list[bytes]:
    """Every string that strace printed, in order; names of files stand in no quotes."""
    return [bytes.fromhex(hexes.replace("\\x", "")) for hexes in re.findall(r'"((?:\\x[0-9a-f]{2})*)"', text)]


class Disk:
    """The file as the disk has it for certain, and the sectors that may have got there."""

    def __init__(self, content: bytes = b"") -> None:
        self._safe = bytearray(content)
        self._open: list[tuple[int, bytes]] = []

    @property
    def certain(self) -> bytes:
        """What is there whatever happens."""
        return bytes(self._safe)

    def apply(self, step: Write | Barrier) -> None:
        """Go one step further."""
        if isinstance(step, Barrier):
            for place, sector in self._open:
                put(self._safe, place, sector)
            self._open.clear()
            return
        offset, content, at_once = step
        if at_once:
            put(self._safe, offset, content)
            return
        end = offset + len(content)
        for start in range(offset - offset % SECTOR, end, SECTOR):
            begin = max(start, offset)
            self._open.append((begin, content[begin - offset : min(start + SECTOR, end) - offset]))

    def left(self, chance: random.Random) -> bytes:
        """What is left if the power goes now."""
        content = bytearray(self._safe)
        share = chance.choice((0.0, 0.1, 0.5, 0.9, 1.0))
        for place, sector in self._open:
            if chance.random() < share:
                put(content, place, sector)
        return bytes(content)


def put(content: bytearray, offset: int, piece: bytes) -> None:
    """Write; what lies between the old end and ``offset`` reads as zeros."""
    if len(content) < offset + len(piece):
        content.extend(bytes(offset + len(piece) - len(content)))
    content[offset : offset + len(piece)] = piece
