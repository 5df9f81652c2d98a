"""A KMS v2 plug-in: a gRPC server on a socket that wraps with keys in memory."""

import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
from kube_lite_storage.keyring import LocalKeys, Wrapped
from kube_lite_storage.kms import SERVICE
from kube_lite_storage.wire import as_field, as_map, bytes_of, parse_fields, parse_map


class PlugIn:
    """Its key id, health and version can be set; ``calls`` are what it was asked."""

    def __init__(self) -> None:
        self.keys = LocalKeys([b"1" * 32], "the plug-in")
        self.health, self.version = "ok", "v2"
        self.key_id = "projects/a/keys/1"
        self.calls: list[str] = []

    @contextmanager
    def serving(self) -> Iterator[str]:
        """The endpoint, for the length of the block."""
        with tempfile.TemporaryDirectory(prefix="kms-") as directory:  # a socket's path may not be long
            path = Path(directory) / "kms.sock"
            with ThreadPoolExecutor(2) as threads:
                server = grpc.server(threads)
                server.add_generic_rpc_handlers((self.handler(),))
                server.add_insecure_port(f"unix:{path}")
                server.start()
                try:
                    yield f"unix://{path}"
                finally:
                    server.stop(None).wait()

    def handler(self) -> Any:
        methods = {
            name: grpc.unary_unary_rpc_method_handler(getattr(self, name.lower()))
            for name in ("Status", "Encrypt", "Decrypt")
        }
        return grpc.method_handlers_generic_handler(SERVICE, methods)

    def status(self, message: bytes, context: Any) -> bytes:
        self.calls.append("status")
        assert message == b""
        return b"".join(
            as_field(number, text.encode())
            for number, text in enumerate((self.version, self.health, self.key_id), 1)
        )

    def encrypt(self, message: bytes, context: Any) -> bytes:
        self.calls.append("encrypt")
        asked = dict(parse_fields(message))
        assert len(bytes_of(asked, 2)) == 36  # a uid
        wrapped = self.keys.wrap(bytes_of(asked, 1))
        notes = {"local.kek.example.com": wrapped.key_id.encode()}
        return as_field(1, wrapped.ciphertext) + as_field(2, self.key_id.encode()) + as_map(3, notes)

    def decrypt(self, message: bytes, context: Any) -> bytes:
        self.calls.append("decrypt")
        asked = dict(parse_fields(message))
        key_id = bytes_of(asked, 3).decode()
        if not key_id.startswith("projects/a/"):
            context.abort(grpc.StatusCode.NOT_FOUND, f"no key {key_id}")
        local = parse_map(message, 4)["local.kek.example.com"].decode()
        return as_field(1, self.keys.unwrap(Wrapped(local, bytes_of(asked, 1))))
