"""Network namespaces to connect, with small programs in them; for root."""

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

SERVER = """
import socketserver, sys
class Handler(socketserver.BaseRequestHandler):
    def handle(self):
        self.request.sendall(f"{sys.argv[1]} sees {self.client_address[0]}".encode())
socketserver.ThreadingTCPServer.allow_reuse_address = True
with socketserver.ThreadingTCPServer(("0.0.0.0", 80), Handler) as server:
    print("ready", flush=True)
    server.serve_forever()
"""

CLIENT = """
import socket, sys
try:
    with socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=10) as connection:
        print(connection.makefile().read())
except OSError as error:
    print(type(error).__name__)
"""


class Namespace:
    """A network namespace that lives as long as its one process."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    @property
    def path(self) -> Path:
        return Path(f"/proc/{self._process.pid}/ns/net")

    def enter(self) -> list[str]:
        return ["nsenter", f"--net={self.path}"]

    @contextlib.contextmanager
    def serving(self, name: str) -> Iterator[None]:
        """A server on port 80 that answers ``<name> sees <the client's address>``."""
        command = [*self.enter(), sys.executable, "-c", SERVER, name]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
            try:
                assert server.stdout is not None
                assert server.stdout.readline() == "ready\n"
                yield
            finally:
                server.kill()

    def ask(self, address: str, port: int = 80) -> str:
        """What a server answers to a program in this namespace, or the name of the error."""
        return ask(address, port, self.enter())

    def end(self) -> None:
        self._process.kill()
        self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()


def new_namespace() -> Namespace:
    command = ["unshare", "--net", "sh", "-c", "echo ready; exec sleep 600"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return Namespace(process)


def ask(address: str, port: int = 80, enter: list[str] | None = None) -> str:
    """The same from the host."""
    command = [*(enter or []), sys.executable, "-c", CLIENT, address, str(port)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
