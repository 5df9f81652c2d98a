"""Make processes in namespaces, from a small single-threaded parent.

``clone`` puts the child into new namespaces in one step, so a container costs one fork and one exec. Only
the PID namespace of another process cannot be entered that way: there a short-lived middle process enters it
and clones with ``CLONE_PARENT``, so that the child is the supervisor's own all the same.
"""

import gc
import os
import signal
from collections.abc import Callable

from .syscalls import CLONE_PARENT, NEW_PID, Kernel

FAILED_BEFORE_EXEC = 127


def spawn(kernel: Kernel, flags: int, body: Callable[[], object]) -> int:
    """Run ``body``, which should exec, in a child with new namespaces; the child's id."""
    child = kernel.clone(flags)
    if child == 0:
        _run(body)
    return child


def spawn_in_pid_namespace(kernel: Kernel, namespace: int, flags: int, body: Callable[[], object]) -> int:
    """As ``spawn``, in the PID namespace that the descriptor ``namespace`` stands for."""
    reader, writer = os.pipe()
    middle = kernel.clone(0)
    if middle == 0:
        _run(lambda: _clone_for_parent(kernel, namespace, flags, writer, body))
    os.close(writer)
    try:
        os.waitpid(middle, 0)
        answer = os.read(reader, 64).decode()
    finally:
        os.close(reader)
    if not answer.isdigit():
        raise OSError(f"could not enter the PID namespace: {answer or 'the process on the way died'}")
    return int(answer)


def _clone_for_parent(
    kernel: Kernel, namespace: int, flags: int, writer: int, body: Callable[[], object]
) -> None:
    try:
        kernel.join_namespaces(namespace, NEW_PID)
        child = kernel.clone(flags | CLONE_PARENT)
    except OSError as error:
        os.write(writer, str(error).encode()[:64])
        return
    if child == 0:
        _run(body)
    os.write(writer, str(child).encode())


def _run(body: Callable[[], object]) -> None:
    """The child's whole life: it shares its parent's memory until it execs, so it must never return."""
    try:
        gc.disable()  # a collection would touch, and so copy, every page
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGPIPE, signal.SIGXFSZ):
            signal.signal(number, signal.SIG_DFL)
        body()
    finally:
        os._exit(FAILED_BEFORE_EXEC)
