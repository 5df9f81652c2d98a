"""What the server warns of: of new objects everything, of changes what they bring."""

from typing import Any

import pytest

from kube_lite.api.identity import GroupVersionKind
from kube_lite.kinds.checks.address_advice import advise_address, advise_block
from kube_lite.kinds.checks.advice import advise, advise_change

POD = GroupVersionKind("", "v1", "Pod")
DEPLOYMENT = GroupVersionKind("apps", "v1", "Deployment")
DRIVER = GroupVersionKind("storage.k8s.io", "v1", "CSIDriver")
SECRET = GroupVersionKind("", "v1", "Secret")


def _pod(**spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": "p"}, "spec": spec}


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        pytest.param(
            {"containers": [{"name": "a", "resources": {"limits": {"memory": "100m"}}}]},
            'spec.containers[0].resources.limits[memory]: fractional byte value "100m" is invalid, '
            "must be an integer",
            id="a part of a byte",
        ),
        pytest.param(
            {"containers": [{"name": "a", "env": [{"name": "A", "value": "b"}, {"name": "A"}]}]},
            'spec.containers[0].env[1]: hides previous definition of "A", which may be dropped '
            "when using apply",
            id="a variable given twice",
        ),
        pytest.param(
            {"containers": [{"name": name, "ports": [{"containerPort": 80}]} for name in "ab"]},
            "spec.containers[1].ports[0]: duplicate port definition with spec.containers[0].ports[0]",
            id="a port given twice",
        ),
        pytest.param(
            {
                "volumes": [
                    {"name": "c", "configMap": {"name": "m", "items": [{"path": "p"}, {"path": "p/q"}]}}
                ]
            },
            'volume "c" (ConfigMap "m"): overlapping paths: "p/q" with "p"',
            id="files in one another's way",
        ),
        pytest.param(
            {"imagePullSecrets": [{}]},
            'spec.imagePullSecrets[0].name: invalid empty name ""',
            id="a secret without a name",
        ),
    ],
)
def test_a_pod_that_will_disappoint_is_warned_of(spec: dict[str, Any], told: str) -> None:
    assert list(advise(POD, _pod(**spec))) == [told]
    assert not advise_change(POD, _pod(**spec), _pod())


def test_a_template_is_warned_of_when_it_is_changed() -> None:
    template = {"spec": {"nodeSelector": {"beta.kubernetes.io/os": "linux"}}}
    told = [
        "spec.template.spec.nodeSelector[beta.kubernetes.io/os]: deprecated since v1.14; use "
        '"kubernetes.io/os" instead'
    ]

    def deployment(generation: int) -> dict[str, Any]:
        return {"metadata": {"name": "no.label", "generation": generation}, "spec": {"template": template}}

    assert list(advise(DEPLOYMENT, deployment(1)))[1:] == told
    assert not advise_change(DEPLOYMENT, deployment(1), deployment(1))
    assert list(advise_change(DEPLOYMENT, deployment(2), deployment(1))) == told


def test_a_driver_is_warned_of_when_it_begins_to_ask_for_tokens() -> None:
    asking = {"metadata": {"name": "d"}, "spec": {"tokenRequests": [{"audience": "a"}]}}
    assert len(advise(DRIVER, asking)) == 1
    assert not advise_change(DRIVER, asking, asking)
    assert len(advise_change(DRIVER, asking, {"metadata": {"name": "d"}, "spec": {}})) == 1


@pytest.mark.parametrize(
    ("value", "told"),
    [
        pytest.param("10.1.2.3", "", id="plain"),
        pytest.param("010.1.2.3", 'non-standard IP address "{}" is invalid: use "10.1.2.3"', id="zeros"),
        pytest.param(
            "::ffff:1.2.3.4", 'non-standard IP address "{}" is invalid: use "1.2.3.4"', id="four in six"
        ),
        pytest.param(
            "2001:DB8::1",
            'IPv6 address "{}" should be in RFC 5952 canonical format ("2001:db8::1")',
            id="capitals",
        ),
    ],
)
def test_addresses_in_a_way_of_their_own_are_told(value: str, told: str) -> None:
    assert list(advise_address("x", value)) == ([f"x: {told.format(value)}"] if told else [])


def test_a_block_with_an_address_in_it_is_ambiguous() -> None:
    assert list(advise_block("x", "10.0.0.1/8")) == [
        'x: CIDR value "10.0.0.1/8" is ambiguous in this context (should be "10.0.0.0/8" or "10.0.0.1/32"?)'
    ]


def test_a_secret_without_certificate_is_told_of_in_the_words_of_the_reference() -> None:
    secret = {
        "metadata": {"name": "s"},
        "type": "kubernetes.io/tls",
        "data": {"tls.crt": "eA==", "tls.key": ""},
    }
    assert list(advise(SECRET, secret)) == ["tls: failed to find any PEM data in certificate input"]
