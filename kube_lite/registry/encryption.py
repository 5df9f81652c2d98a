"""Which objects are encrypted in the store, and with what: from resources to the store's ciphers.

A storage key begins with its resource, ``/secrets/…``, and that chooses the providers. Without a
configuration Secrets are encrypted with keys from a file of this cluster's own. Those keys stay good for
reading whatever a configuration says, so going over to one, or back, loses nothing.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, TypeAlias

from kube_lite_storage import Store
from kube_lite_storage.cipher import MARK, Cipher, FirstWrites, Identity, Provider, scheme_of
from kube_lite_storage.envelope import Envelope, key_id_of
from kube_lite_storage.keyring import EnvironmentKeys, FileKeys, KeyService

from kube_lite.api.identity import GroupResource

from .keys import ALIASES

LOCAL = "kube-lite"
"""The provider whose keys are in the cluster's own file."""
SECRETS = GroupResource("", "secrets")
EVERYTHING = GroupResource("*", "*")
KMS_TIMEOUT = 3.0  # seconds, upstream's default


class Keys(NamedTuple):
    """A provider whose keys stand in the file, as name and secret; the first writes."""

    scheme: str
    keys: Sequence[tuple[str, bytes]]

    def __repr__(self) -> str:
        """Without the secrets."""
        return f"Keys({self.scheme}, {[name for name, _ in self.keys]})"


class Kms(NamedTuple):
    """A provider whose keys are elsewhere; ``timeout`` is seconds for each call."""

    name: str
    endpoint: str
    timeout: float = KMS_TIMEOUT


class Plain(NamedTuple):
    """``identity``: no encryption."""


Spec: TypeAlias = Keys | Kms | Plain


class Rule(NamedTuple):
    """Providers of some resources. ``*`` as resource or group is any."""

    resources: Sequence[GroupResource]
    providers: Sequence[Spec]


DEFAULT_RULES = (Rule((SECRETS,), (Kms(LOCAL, "file:"), Plain())),)


class Seen(NamedTuple):
    """What a stored value says of itself: ``secrets``, ``kms:v2:kube-lite key 9f86…``.

    ``is_current`` is whether it would be written so today.
    """

    resource: str
    scheme: str
    is_current: bool


class ResourceCipher(Cipher):
    """Chooses by the resource that a storage key begins with.

    Args:
        rules: providers by resource; ``*`` stands for any resource of a group, or of all.
        otherwise: for resources that no rule names.
        envelopes: the providers that have a key service, by name and place.
    """

    def __init__(
        self,
        rules: Mapping[GroupResource, FirstWrites],
        otherwise: FirstWrites,
        envelopes: Mapping[str, Envelope],
    ) -> None:
        self.envelopes = envelopes
        self._rules = rules
        self._otherwise = otherwise
        self._chosen: dict[bytes, FirstWrites] = {}

    def encrypt(self, key: bytes, value: bytes) -> bytes:
        """With the first provider of its resource. Raises ``CannotEncrypt``."""
        return self._rule(key).encrypt(key, value)

    def decrypt(self, key: bytes, stored: bytes) -> bytes:
        """With whichever provider of its resource it fits. Raises ``CannotDecrypt``."""
        return self._rule(key).decrypt(key, stored)

    def is_current(self, key: bytes, stored: bytes) -> bool:
        """Whether it would be written so today."""
        return self._rule(key).is_current(key, stored)

    def look_at(self, key: bytes, stored: bytes) -> Seen | None:
        """What a stored value says of itself; None for one that is plain and should be."""
        rule = self._rule(key)
        scheme, is_current = scheme_of(stored), rule.is_current(key, stored)
        if scheme == "identity" and is_current:
            return None
        if scheme.startswith("kms:v2:"):
            scheme = f"{scheme} key {key_id_of(stored)}"
        return Seen(_resource_part(key).decode(errors="replace"), scheme, is_current)

    @property
    def encrypted(self) -> Sequence[str]:
        """The resources that are written encrypted, as a configuration names them."""
        return [
            "*." if resource == GroupResource("", "*") else str(resource)
            for resource, rule in self._rules.items()
            if rule.providers[0].prefix
        ]

    @property
    def writing(self) -> Sequence[Envelope]:
        """The envelopes that something is written with."""
        first = {rule.providers[0] for rule in self._rules.values()}
        return [envelope for envelope in self.envelopes.values() if envelope in first]

    def _rule(self, key: bytes) -> FirstWrites:
        part = _resource_part(key)
        rule = self._chosen.get(part)
        if rule is None:
            rule = self._chosen[part] = self._choose(part) if key.startswith(b"/") else self._otherwise
        return rule

    def _choose(self, part: bytes) -> FirstWrites:
        resource, _, group = part.decode().partition(".")
        for wanted in (GroupResource(group, resource), GroupResource(group, "*"), EVERYTHING):
            if wanted in self._rules:
                return self._rules[wanted]
        return self._otherwise


def as_cipher(rules: Sequence[Rule], local: FileKeys, old: ResourceCipher | None = None) -> ResourceCipher:
    """What the rules say, with the cluster's own keys as the last that are tried for reading.

    Args:
        rules: in order; none is the default, Secrets with the cluster's own keys.
        local: those keys.
        old: of the configuration before; connections and seeds that are in it are taken over.

    Raises:
        KeysUnusable: a file or variable has no keys, or a library is missing.
    """
    build = _Build(local, old.envelopes if old is not None else {})
    last = build.local()
    by_resource: dict[GroupResource, list[Provider]] = {}
    for rule in rules or DEFAULT_RULES:
        providers = [provider for spec in rule.providers for provider in build.providers(spec)]
        for resource in rule.resources:
            by_resource.setdefault(ALIASES.get(resource, resource), []).extend(providers)
    chosen = {
        resource: FirstWrites([*providers, *([] if last in providers else [last])])
        for resource, providers in by_resource.items()
    }
    return ResourceCipher(chosen, FirstWrites([Identity(), last]), build.envelopes)


async def local_key_ids(store: Store) -> Mapping[str, int]:
    """The ids of those of the cluster's own keys that values need, and how many of them."""
    prefix = b"%bkms:v2:%b:" % (MARK, LOCAL.encode())
    found: Counter[str] = Counter()

    def visit(key: bytes, stored: bytes, is_past: bool) -> None:
        if stored.startswith(prefix):
            found[key_id_of(stored)] += 1

    await store.survey(visit)
    return found


class _Build:
    def __init__(self, local: FileKeys, old: Mapping[str, Envelope]) -> None:
        self._local = local
        self._old = old
        self.envelopes: dict[str, Envelope] = {}

    def local(self) -> Envelope:
        """The provider with the cluster's own keys."""
        return self._envelope(Kms(LOCAL, "file:"))

    def providers(self, spec: Spec) -> list[Provider]:
        """One for each key: they are told apart by their prefix."""
        if isinstance(spec, Plain):
            return [Identity()]
        if isinstance(spec, Kms):
            return [self._envelope(spec)]
        return [_static(spec.scheme, name, secret) for name, secret in spec.keys]

    def _envelope(self, spec: Kms) -> Envelope:
        place = f"{spec.name} {spec.endpoint} {spec.timeout}"
        if place not in self.envelopes:
            is_read_again = spec.endpoint.startswith(("file:/", "env:"))
            old = None if is_read_again else self._old.get(place)
            self.envelopes[place] = old or Envelope(spec.name, self._service(spec))
        return self.envelopes[place]

    def _service(self, spec: Kms) -> KeyService:
        scheme, _, rest = spec.endpoint.partition(":")
        if scheme == "env":
            return EnvironmentKeys(rest)
        if scheme == "unix":
            from kube_lite_storage.kms import (
                KmsSocket,  # like the schemes below, when a configuration names it
            )

            return KmsSocket(spec.endpoint, spec.timeout)
        return FileKeys(Path(rest.removeprefix("//"))) if rest else self._local


def _static(scheme: str, name: str, secret: bytes) -> Provider:
    from kube_lite_storage.static_keys import AesCbc, AesGcm, SecretBox

    if scheme == "aesgcm":
        return AesGcm(name, secret)
    if scheme == "aescbc":
        return AesCbc(name, secret, _is_object)
    return SecretBox(name, secret)


def _is_object(value: bytes) -> bool:
    """Whether it may be what the registry stores: a JSON object."""
    return value[:1] == b"{" and value[-1:] == b"}"


def _resource_part(key: bytes) -> bytes:
    """``/secrets/default/a`` → ``secrets``."""
    return key[1 : key.find(b"/", 1)]
