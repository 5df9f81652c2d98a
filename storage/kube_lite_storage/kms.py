"""A key service behind a unix socket: version 2 of Kubernetes' KMS plug-in API, over gRPC.

The three calls have small messages, which ``wire`` reads and writes, so nothing is generated. gRPC itself is
loaded when a configuration names a socket: ``pip install 'kube-lite[kms]'``.
Source: ``k8s.io/kms/apis/v2/api.proto`` and KEP-3299.
"""

import uuid
from collections.abc import Mapping
from typing import Any

from .errors import KeyServiceFailed, KeysUnusable, KeyUnknown
from .keyring import Wrapped
from .wire import as_field, as_map, bytes_of, parse_fields, parse_map

SERVICE = "v2.KeyManagementService"
VERSIONS = ("v2", "v2beta1")  # what plug-ins call the version that we speak
_KEY_ID_LIMIT = _WRAPPED_LIMIT = 1024
_NOTES_LIMIT = 32 * 1024


class KmsSocket:
    """A plug-in. ``timeout`` is seconds for each call."""

    is_remote = True

    def __init__(self, endpoint: str, timeout: float) -> None:
        """``endpoint`` is ``unix:///run/kms.sock``. Raises ``KeysUnusable`` without gRPC."""
        try:
            import grpc
        except ImportError as error:
            raise KeysUnusable("a KMS socket needs gRPC: pip install 'kube-lite[kms]'") from error
        self.endpoint = endpoint
        self._timeout = timeout
        self._failure = grpc.RpcError
        # The plug-in is on this host, whatever proxies the environment names.
        self._channel = grpc.insecure_channel(_address(endpoint), options=[("grpc.enable_http_proxy", 0)])

    def current(self) -> str:
        """The id of the plug-in's key. Raises ``KeyServiceFailed``, also when it says that it is not well."""
        answer = self._call("Status", b"")
        version, health = bytes_of(answer, 1).decode(), bytes_of(answer, 2).decode()
        if version not in VERSIONS:
            raise KeyServiceFailed(f"{self.endpoint} speaks KMS version {version!r}, v2 is wanted")
        if health != "ok":
            raise KeyServiceFailed(f"{self.endpoint} is not healthy: {health}")
        return _checked_key_id(bytes_of(answer, 3))

    def wrap(self, seed: bytes) -> Wrapped:
        """Raises ``KeyServiceFailed``."""
        raw = self._call_raw("Encrypt", as_field(1, seed) + as_field(2, _uid()))
        answer = dict(parse_fields(raw))
        wrapped = Wrapped(_checked_key_id(bytes_of(answer, 2)), bytes_of(answer, 1), parse_map(raw, 3))
        if not 0 < len(wrapped.ciphertext) <= _WRAPPED_LIMIT:
            raise KeyServiceFailed(f"{self.endpoint} wrapped a seed in {len(wrapped.ciphertext)} bytes")
        if sum(len(name) + len(note) for name, note in wrapped.annotations.items()) > _NOTES_LIMIT:
            raise KeyServiceFailed(f"{self.endpoint} gave annotations of more than {_NOTES_LIMIT} bytes")
        return wrapped

    def unwrap(self, wrapped: Wrapped) -> bytes:
        """Raises ``KeyServiceFailed``, ``KeyUnknown``."""
        asked = as_field(1, wrapped.ciphertext) + as_field(2, _uid()) + as_field(3, wrapped.key_id.encode())
        return bytes_of(self._call("Decrypt", asked + as_map(4, wrapped.annotations)), 1)

    def close(self) -> None:
        """Hang up."""
        self._channel.close()

    def _call(self, method: str, message: bytes) -> Mapping[int, bytes | int]:
        return dict(parse_fields(self._call_raw(method, message)))

    def _call_raw(self, method: str, message: bytes) -> bytes:
        call = self._channel.unary_unary(f"/{SERVICE}/{method}")
        try:
            answer: bytes = call(message, timeout=self._timeout)
        except self._failure as error:
            raise self._as_ours(error, method) from None  # the cause may carry the message, which is the seed
        return answer

    def _as_ours(self, error: Any, method: str) -> KeyServiceFailed | KeyUnknown:
        """No plug-in on the socket, or one that knows no such key."""
        import grpc

        code = error.code()
        text = f"{self.endpoint} answers {method} with {code.name}: {error.details()}"
        is_refusal = code in (grpc.StatusCode.NOT_FOUND, grpc.StatusCode.INVALID_ARGUMENT)
        return KeyUnknown(text) if is_refusal and method == "Decrypt" else KeyServiceFailed(text)


def _checked_key_id(raw: bytes) -> str:
    if not 0 < len(raw) <= _KEY_ID_LIMIT:
        raise KeyServiceFailed(
            f"a KMS plug-in gave a key id of {len(raw)} bytes; 1 to {_KEY_ID_LIMIT} are allowed"
        )
    return raw.decode(errors="replace")


def _uid() -> bytes:
    return str(uuid.uuid4()).encode()


def _address(endpoint: str) -> str:
    """``unix:///run/kms.sock`` as gRPC wants it; ``unix:///@name`` is an abstract socket, as upstream."""
    path = endpoint.removeprefix("unix://")
    return f"unix-abstract:{path[2:]}" if path.startswith("/@") else f"unix:{path}"
