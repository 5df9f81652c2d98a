"""What this host lets us do, found out by doing it in a child that ends at once.

root    every namespace and mounts: what a root user with CAP_SYS_ADMIN has
user    the same but a network, inside a user namespace with one user in it
plain   nothing: containers are ordinary processes of our own user
"""

# pathlib and contextlib would cost the supervisor a megabyte and 5 ms of its start.
# ruff: noqa: PTH103, PTH106, PTH123

import os
from collections.abc import Callable

from .spawn import spawn
from .syscalls import (
    MOUNT_ATTR_RDONLY,
    MS_PRIVATE,
    MS_REC,
    NEW_IPC,
    NEW_MOUNT,
    NEW_NETWORK,
    NEW_PID,
    NEW_USER,
    NEW_UTS,
    Kernel,
)

ISOLATED = NEW_MOUNT | NEW_PID | NEW_IPC | NEW_UTS


def find_mode(kernel: Kernel, directory: str, wanted: str) -> tuple[str, str]:
    """The best mode up to ``wanted`` (``auto``: up to ``root``), and why not a better one.

    Args:
        directory: where containers will have their files; what overlays can do depends on its file system.
    """
    why: list[str] = []
    if wanted in ("auto", "root") and os.geteuid() == 0:
        failure = attempt(kernel, ISOLATED | NEW_NETWORK, lambda: _mount_all(kernel, directory, ""))
        if not failure:
            return "root", ""
        why.append(f"root may not make namespaces and mounts here ({failure})")
    if wanted in ("auto", "user") and os.geteuid() != 0:
        failure = attempt(kernel, 0, lambda: _as_user(kernel, directory))
        if not failure:
            return "user", "needs root"
        why.append(f"this host does not let ordinary users make namespaces ({failure})")
    return "plain", "; ".join(why) or "not asked for"


def attempt(kernel: Kernel, flags: int, body: Callable[[], None]) -> str:
    """Run ``body`` in a child: empty when it went well, otherwise what the system refused."""
    reader, writer = os.pipe()

    def tell() -> None:
        try:
            body()
        except OSError as error:
            os.write(writer, str(error).encode()[:512])

    try:
        child = spawn(kernel, flags, tell)
    except OSError as error:
        os.close(reader)
        return str(error)
    finally:
        os.close(writer)
    with os.fdopen(reader, "rb") as answer:
        text = answer.read().decode(errors="replace")
    os.waitpid(child, 0)
    return text


def enter_user_namespace(kernel: Kernel, flags: int = 0) -> None:
    """Become root of a user namespace in which only the own user is known."""
    user, group = os.geteuid(), os.getegid()
    kernel.unshare(NEW_USER | flags)
    for name, text in (("setgroups", "deny"), ("uid_map", f"0 {user} 1"), ("gid_map", f"0 {group} 1")):
        with open(f"/proc/self/{name}", "w", encoding="ascii") as file:
            file.write(text)


def _as_user(kernel: Kernel, directory: str) -> None:
    enter_user_namespace(kernel)
    failure = attempt(kernel, ISOLATED, lambda: _mount_all(kernel, directory, ",userxattr"))
    if failure:
        raise OSError(failure)


def _mount_all(kernel: Kernel, directory: str, options: str) -> None:
    """The mounts that every container needs, and the newer calls (Linux 5.12) that they need."""
    kernel.mount("", "/", "", MS_REC | MS_PRIVATE, "")
    place = f"{directory}/probe"
    names = ("lower", "upper", "work", "root", "proc")
    try:
        for name in ("", *names):
            os.makedirs(f"{place}/{name}", exist_ok=True)
        os.chdir(place)
        kernel.mount("proc", "proc", "proc", 0, "")
        kernel.unmount("proc")
        kernel.mount("overlay", "root", "overlay", 0, f"lowerdir=lower,upperdir=upper,workdir=work{options}")
        root = os.open("root", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        os.close(kernel.open_in_root(root, "/", os.O_PATH))
        os.close(root)
        kernel.restrict_mount("root", MOUNT_ATTR_RDONLY, recursive=True)
        os.chdir("/")
        kernel.unmount(f"{place}/root")
    finally:
        os.chdir("/")
        for name in ("work/work", *names, ""):
            try:
                os.rmdir(f"{place}/{name}".rstrip("/"))
            except OSError:
                continue
