"""The only file that calls libc: namespaces, mounts, capabilities, clone.

Everything else asks a ``Kernel``. Tests hand over a double that records what it is asked, so that whole
set-up plans can be executed without privileges and compared as data.

libc is loaded with the interpreter lock held (``PyDLL``): after ``clone`` the child runs with exactly the
state of its parent, and none of these calls waits for long.
"""

import ctypes
import os

CLONE_PARENT = 0x00008000
NEW_MOUNT = 0x00020000
NEW_CGROUP = 0x02000000
NEW_UTS = 0x04000000
NEW_IPC = 0x08000000
NEW_USER = 0x10000000
NEW_PID = 0x20000000
NEW_NETWORK = 0x40000000
SIGCHLD = 17

MS_RDONLY = 0x1
MS_NOSUID = 0x2
MS_NODEV = 0x4
MS_NOEXEC = 0x8
MS_REMOUNT = 0x20
MS_NOATIME = 0x400
MS_BIND = 0x1000
MS_MOVE = 0x2000
MS_REC = 0x4000
MS_PRIVATE = 0x40000
MS_SLAVE = 0x80000
MS_SHARED = 0x100000
MS_RELATIME = 0x200000
MNT_DETACH = 2

PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_CAPBSET_READ = 23
PR_CAPBSET_DROP = 24
PR_SET_CHILD_SUBREAPER = 36
PR_SET_NO_NEW_PRIVS = 38
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_CLEAR_ALL = 4

AT_FDCWD = -100
AT_EMPTY_PATH = 0x1000
AT_RECURSIVE = 0x8000
MOUNT_ATTR_RDONLY = 0x1
MOUNT_ATTR_NOSUID = 0x2
MOUNT_ATTR_NODEV = 0x4
MOUNT_ATTR_NOEXEC = 0x8
RESOLVE_IN_ROOT = 0x10
CAPABILITY_VERSION_3 = 0x20080522

# Architectures number their older calls differently; those after 424 are the same everywhere.
_CLONE = {"x86_64": 56, "aarch64": 220, "riscv64": 220, "ppc64le": 120, "s390x": 120}
_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41, "riscv64": 41, "ppc64le": 203, "s390x": 217}
_OPENAT2 = 437
_MOUNT_SETATTR = 442


class _OpenHow(ctypes.Structure):
    _fields_ = (("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64))


class _MountAttributes(ctypes.Structure):
    _fields_ = (
        ("set", ctypes.c_uint64),
        ("clear", ctypes.c_uint64),
        ("propagation", ctypes.c_uint64),
        ("user_namespace", ctypes.c_uint64),
    )


class Kernel:
    """System calls that the standard library does not offer. Each raises ``OSError`` when it is refused."""

    def __init__(self) -> None:
        self._libc = ctypes.PyDLL(None, use_errno=True)
        self._machine = os.uname().machine

    def clone(self, flags: int) -> int:
        """Fork with new namespaces: the child's id, or 0 in the child. The caller must be single-threaded."""
        number = _CLONE.get(self._machine)
        if number is None:
            raise OSError(38, f"clone is not known for {self._machine}")
        # s390x takes the stack before the flags; both being words, only the order differs.
        first, second = (0, flags | SIGCHLD) if self._machine == "s390x" else (flags | SIGCHLD, 0)
        return self._syscall("clone", number, first, second, 0, 0, 0)

    def unshare(self, flags: int) -> None:
        """Leave the given namespaces for new ones."""
        self._checked("unshare", self._libc.unshare(flags))

    def join_namespaces(self, descriptor: int, flags: int) -> None:
        """Enter the namespace, or with a pidfd the namespaces, that ``descriptor`` stands for."""
        self._checked("setns", self._libc.setns(descriptor, flags))

    def mount(self, source: str, target: str, kind: str, flags: int, options: str) -> None:
        """As mount(2); an empty ``kind`` or ``options`` is NULL."""
        result = self._libc.mount(
            os.fsencode(source or "none"),
            os.fsencode(target),
            kind.encode() or None,
            ctypes.c_ulong(flags),
            os.fsencode(options) or None,
        )
        self._checked("mount", result)

    def unmount(self, target: str, flags: int = MNT_DETACH) -> None:
        """As umount2(2)."""
        self._checked("umount", self._libc.umount2(os.fsencode(target), flags))

    def restrict_mount(self, target: str, attributes: int, *, recursive: bool) -> None:
        """Give a mount, and with ``recursive`` those below it, attributes, leaving its others alone."""
        wanted = _MountAttributes(set=attributes)
        self._syscall(
            "mount_setattr",
            _MOUNT_SETATTR,
            AT_FDCWD,
            ctypes.c_char_p(os.fsencode(target)),
            AT_RECURSIVE if recursive else 0,
            ctypes.byref(wanted),
            ctypes.sizeof(wanted),
        )

    def open_in_root(self, root: int, path: str, flags: int) -> int:
        """Open ``path`` as a process whose root is the directory ``root`` would: no link leads out of it."""
        how = _OpenHow(flags=flags | os.O_CLOEXEC, mode=0, resolve=RESOLVE_IN_ROOT)
        name = ctypes.c_char_p(os.fsencode(path.lstrip("/") or "."))
        return self._syscall("openat2", _OPENAT2, root, name, ctypes.byref(how), ctypes.sizeof(how))

    def pivot_root(self, new_root: str, old_root: str) -> None:
        """As pivot_root(2)."""
        number = _PIVOT_ROOT.get(self._machine, 155)
        new, old = ctypes.c_char_p(os.fsencode(new_root)), ctypes.c_char_p(os.fsencode(old_root))
        self._syscall("pivot_root", number, new, old)

    def set_hostname(self, name: str) -> None:
        """Name this UTS namespace."""
        encoded = name.encode()
        self._checked("sethostname", self._libc.sethostname(encoded, len(encoded)))

    def control_process(self, option: int, value: int = 0, extra: int = 0) -> int:
        """As prctl(2) with two arguments."""
        word = ctypes.c_ulong
        result = int(self._libc.prctl(option, word(value), word(extra), word(0), word(0)))
        self._checked("prctl", result)
        return result

    def set_capabilities(self, capabilities: int) -> None:
        """Make the bits of ``capabilities`` effective and permitted, and none inheritable."""
        low, high = capabilities & 0xFFFFFFFF, capabilities >> 32
        header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION_3, 0)
        sets = (ctypes.c_uint32 * 6)(low, low, 0, high, high, 0)
        self._checked("capset", self._libc.capset(ctypes.byref(header), ctypes.byref(sets)))

    def _syscall(self, name: str, number: int, *arguments: object) -> int:
        words = [ctypes.c_long(value) if isinstance(value, int) else value for value in arguments]
        result = int(self._libc.syscall(ctypes.c_long(number), *words))
        self._checked(name, result)
        return result

    @staticmethod
    def _checked(name: str, result: int) -> None:
        if result == -1:
            number = ctypes.get_errno()
            raise OSError(number, f"{name}: {os.strerror(number)}")
