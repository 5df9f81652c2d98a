"""Which resources are encrypted: the configuration file, its mistakes, and what the registry writes."""

import base64
from pathlib import Path
from typing import Any

import msgpack
import pytest
import yaml
from kube_lite_storage import CannotDecrypt, Range, Store
from kube_lite_storage.keyring import FileKeys

from kube_lite.api.identity import GroupResource, ObjectKey
from kube_lite.api.resource import Registry
from kube_lite.registry.encryption import Kms, ResourceCipher, Rule, Seen, as_cipher, local_key_ids
from kube_lite.registry.encryption_file import EncryptionFileInvalid, parse_encryption
from kube_lite.registry.objects import Objects

SECRET = base64.b64encode(b"k" * 32).decode()
CANARY = "canary-in-the-registry"


def document(*entries: str) -> Any:
    """A configuration of entries in YAML's flow style."""
    return {
        "apiVersion": "apiserver.config.k8s.io/v1",
        "kind": "EncryptionConfiguration",
        "resources": [yaml.safe_load(entry.replace("SECRET", SECRET)) for entry in entries],
    }


def entry(resources: str, providers: str) -> str:
    return f"{{resources: [{resources}], providers: [{providers}]}}"


def keyed(scheme: str, name: str = "key1") -> str:
    return f"{scheme}: {{keys: [{{name: {name}, secret: SECRET}}]}}"


@pytest.fixture
def local(tmp_path: Path) -> FileKeys:
    return FileKeys.create(tmp_path / "keys" / "encryption.json")


def cipher_of(local: FileKeys, *entries: str) -> ResourceCipher:
    return as_cipher(parse_encryption(document(*entries)), local)


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        pytest.param(
            entry("secrets", "aescbc: {keys: [{name: a, secret: c2hvcnQ=}]}"),
            'resources[0].providers[0].aescbc.keys[0].secret: Invalid value: "REDACTED": secret is not of '
            "the expected length, got 5, expected one of [16 24 32]",
            id="a short key",
        ),
        pytest.param(
            entry("secrets", "secretbox: {keys: [{name: a, secret: '!'}]}"),
            'resources[0].providers[0].secretbox.keys[0].secret: Invalid value: "REDACTED": '
            "secrets must be base64 encoded",
            id="no base64",
        ),
        pytest.param(
            entry("secrets", "aesgcm: {keys: [{secret: SECRET}]}"),
            "providers[0].aesgcm.keys[0].name: Required value: name is a mandatory field for a key",
            id="a key without a name",
        ),
        pytest.param(
            entry("secrets", "aesgcm: {keys: []}"),
            "resources[0].providers[0].aesgcm.keys: Required value: at least one keys is required",
            id="no keys",
        ),
        pytest.param(
            entry("secrets", "kms: {name: far, endpoint: 'unix:///s'}"),
            'resources[0].providers[0].kms.apiVersion: Invalid value: "v1": only KMS v2 is supported; '
            "set apiVersion: v2",
            id="kms v1",
        ),
        pytest.param(
            entry("secrets", "kms: {apiVersion: v2, name: far, endpoint: 'https://far', timeout: 3s}"),
            'providers[0].kms.endpoint: Invalid value: "https://far": unsupported scheme "https"',
            id="another transport",
        ),
        pytest.param(
            entry("secrets", "kms: {apiVersion: v2, name: far, endpoint: 'unix:///s', cachesize: 5}"),
            "resources[0].providers[0].kms.cachesize: Invalid value: 5: cachesize is not supported in v2",
            id="cachesize",
        ),
        pytest.param(
            entry("secrets", "kms: {apiVersion: v2, name: 'a:b', endpoint: 'unix:///s', timeout: -1s}"),
            'resources[0].providers[0].kms.timeout: Invalid value: "-1s": timeout should be a positive value',
            id="a negative timeout",
        ),
        pytest.param(
            entry("secrets", "{kms: null}"),
            "resources[0].providers[0]: Invalid value: REDACTED: provider does not contain any of",
            id="no provider",
        ),
        pytest.param(
            entry("secrets", "{identity: {}, aesgcm: {keys: []}}"),
            "resources[0].providers[0]: Invalid value: REDACTED: more than one provider specified",
            id="two providers in one",
        ),
        pytest.param(
            entry("secrets, secrets", "identity: {}"),
            "resources[0].resources: Invalid value: "
            '["secrets","secrets"]: the same resource cannot be specified multiple times',
            id="the same twice",
        ),
        pytest.param(
            entry("secrets, '*.'", "identity: {}"),
            "using overlapping resources such as 'secrets' and '*.' in the same resource list is not allowed",
            id="an overlap",
        ),
        pytest.param(
            entry("'*'", "identity: {}"),
            "use '*.' to encrypt all the resources from core API group",
            id="a star",
        ),
        pytest.param(entry("Secrets", "identity: {}"), "should not contain capital letters", id="capitals"),
        pytest.param(
            entry("'pods.*'", "identity: {}"), "same resource across groups is not supported", id="any group"
        ),
        pytest.param(
            entry("events.events.k8s.io", "identity: {}"), "Use 'events' instead", id="the other events"
        ),
        pytest.param(
            "{resources: [secrets], providers: [identity: {}], extra: 1}",
            'resources[0].extra: unknown field "extra"',
            id="an unknown field",
        ),
        pytest.param(
            "{resources: [secrets]}",
            "resources[0].providers: Required value: at least one",
            id="no providers",
        ),
    ],
)
def test_a_mistake_is_told_with_its_path_and_without_secrets(rule: str, told: str) -> None:
    with pytest.raises(EncryptionFileInvalid) as caught:
        parse_encryption(document(rule))
    assert told in str(caught.value)
    assert SECRET not in str(caught.value)


def test_all_mistakes_are_told_at_once() -> None:
    with pytest.raises(EncryptionFileInvalid) as caught:
        parse_encryption({"kind": "Secret", "resources": [{"resources": ["*"], "providers": [{}]}, 7]})
    fields = ["apiVersion", "kind", "resources[0].resources[0]", "resources[0].providers[0]", "resources[1]"]
    assert [cause.field for cause in caught.value.causes] == fields


@pytest.mark.parametrize("nonsense", [None, [], "text", {"resources": {}}, {"resources": [[]]}])
def test_what_is_no_configuration_is_refused(nonsense: object) -> None:
    with pytest.raises(EncryptionFileInvalid):
        parse_encryption(nonsense)


@pytest.mark.parametrize("earlier", ["'*.'", "'*.*'"])
def test_a_rule_that_an_earlier_one_hides_is_refused(earlier: str) -> None:
    hidden = document(entry(earlier, "identity: {}"), entry("secrets", keyed("aesgcm")))
    with pytest.raises(EncryptionFileInvalid, match=r'resource "secrets" is masked by earlier rule "\*\.'):
        parse_encryption(hidden)


def test_keys_do_not_show_when_rules_are_printed() -> None:
    rules = parse_encryption(document(entry("secrets", keyed("aesgcm"))))
    assert repr(b"k" * 32) not in repr(rules)


def test_a_kms_provider_has_three_seconds_unless_it_says_otherwise() -> None:
    rules = parse_encryption(
        document(entry("secrets", "kms: {apiVersion: v2, name: far, endpoint: 'unix:///run/kms.sock'}"))
    )
    assert rules == [Rule([GroupResource("", "secrets")], [Kms("far", "unix:///run/kms.sock", 3.0)])]


@pytest.mark.parametrize(
    ("key", "prefix"),
    [
        (b"/secrets/default/a", b"k8s:enc:aesgcm:v1:exact:"),
        (b"/configmaps/default/a", b"k8s:enc:aesgcm:v1:core:"),
        (b"/deployments.apps/default/a", b"k8s:enc:aesgcm:v1:apps:"),
        (b"/things.example.com/a", b"k8s:enc:aesgcm:v1:rest:"),
        (b"!nodeports/30080", b"{}"),
    ],
)
def test_the_most_exact_rule_is_taken(local: FileKeys, key: bytes, prefix: bytes) -> None:
    cipher = cipher_of(
        local,
        entry("secrets", keyed("aesgcm", "exact")),
        entry("'*.'", keyed("aesgcm", "core")),
        entry("'*.apps'", keyed("aesgcm", "apps")),
        entry("'*.*'", keyed("aesgcm", "rest")),
    )
    assert cipher.encrypt(key, b"{}").startswith(prefix)


def test_identity_first_writes_plain_and_reads_what_was_encrypted(local: FileKeys) -> None:
    before = cipher_of(local, entry("secrets", keyed("aescbc")))
    after = cipher_of(local, entry("secrets", f"identity: {{}}, {keyed('aescbc')}"))
    stored = before.encrypt(b"/secrets/a/b", b'{"a":1}')
    assert after.decrypt(b"/secrets/a/b", stored) == b'{"a":1}'
    assert after.encrypt(b"/secrets/a/b", b"{}") == b"{}"
    assert after.look_at(b"/secrets/a/b", stored) == Seen("secrets", "aescbc:v1:key1", False)
    assert after.look_at(b"/secrets/a/b", b"{}") is None
    assert before.look_at(b"/secrets/a/b", b"{}") == Seen("secrets", "identity", False)


def test_the_clusters_own_keys_are_read_whatever_the_configuration_says(local: FileKeys) -> None:
    default = as_cipher((), local)
    assert default.encrypted == ["secrets"]
    stored = default.encrypt(b"/secrets/a/b", b"{}")
    for cipher in (
        cipher_of(local, entry("secrets", keyed("secretbox"))),
        cipher_of(local, entry("configmaps", keyed("secretbox"))),
    ):
        assert cipher.decrypt(b"/secrets/a/b", stored) == b"{}"


def test_other_providers_of_other_resources_do_not_read(local: FileKeys) -> None:
    cipher = cipher_of(local, entry("configmaps", keyed("aesgcm")))
    stored = cipher.encrypt(b"/configmaps/a/b", b"{}")
    with pytest.raises(CannotDecrypt, match="'key1': no provider"):
        cipher.decrypt(b"/secrets/a/b", stored)


def test_keys_may_come_from_a_file_or_the_environment(
    local: FileKeys, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLUSTER_KEYS", SECRET)
    other = FileKeys.create(tmp_path / "other.json")
    cipher = cipher_of(
        local,
        entry("secrets", f"kms: {{apiVersion: v2, name: mine, endpoint: 'file://{other.path}'}}"),
        entry("configmaps", "kms: {apiVersion: v2, name: env, endpoint: 'env:CLUSTER_KEYS'}"),
    )
    seen = cipher.look_at(b"/secrets/a/b", cipher.encrypt(b"/secrets/a/b", b"{}"))
    assert seen == Seen("secrets", f"kms:v2:mine key {other.current()}", True)
    assert cipher.encrypt(b"/configmaps/a/b", b"{}").startswith(b"k8s:enc:kms:v2:env:")


async def test_the_file_has_a_secrets_labels_and_type_and_nothing_of_its_data(
    tmp_path: Path, registry: Registry, local: FileKeys
) -> None:
    row = next(row for row in registry if row.plural == "secrets")
    secret = {
        "kind": "Secret",
        "apiVersion": "v1",
        "metadata": {
            "name": "a",
            "namespace": "b",
            "labels": {"app": "shown"},
            "annotations": {"note": CANARY},
        },
        "type": "Opaque",
        "data": {"password": CANARY},
    }
    async with Store.open(tmp_path / "store", cipher=as_cipher((), local)) as store:
        objects = Objects(store)
        await objects.create(row, secret)
        found = objects.get(row, ObjectKey("b", "a"))
        assert found.object["data"] == {"password": CANARY}
        (item,) = store.list(Range.prefix(b"/secrets/")).items
        assert msgpack.unpackb(item.header)[1:4] == ["b", "a", {"app": "shown"}]
        assert await local_key_ids(store) == {local.current(): 1}
    content = (tmp_path / "store" / "data.mdb").read_bytes()
    assert b"shown" in content
    assert CANARY.encode() not in content
    assert b"password" not in content
