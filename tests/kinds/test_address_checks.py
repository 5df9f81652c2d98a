"""What is refused of the ranges of Service addresses, and of the addresses."""

import pytest

from kube_lite.api.identity import Json

from .test_checks import made, refused_change, wrong

GROUP = "networking.k8s.io/v1"
OTHER = '{"Group":"","Resource":"services","Namespace":"","Name":"b"}'
BOTH = "may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and 2001:db8::/64"


def ranges(*cidrs: str) -> Json:
    return made(GROUP, "ServiceCIDR", spec={"cidrs": list(cidrs)})


def address(**parent: str) -> Json:
    return made(GROUP, "IPAddress", "10.96.0.9", spec={"parentRef": parent} if parent else {})


@pytest.mark.parametrize(
    ("obj", "words"),
    [
        pytest.param(ranges("10.0.0.0/24", "fd00::/112"), [], id="one of each family"),
        pytest.param(
            made(GROUP, "ServiceCIDR", spec={}),
            ["spec.cidrs: Required value: at least one CIDR required"],
            id="none",
        ),
        pytest.param(
            ranges("10.0.0.0/24", "10.1.0.0/24"),
            [f'spec.cidrs: Invalid value: ["10.0.0.0/24","10.1.0.0/24"]: {BOTH}'],
            id="two of one family",
        ),
        pytest.param(
            ranges("10.0.0.0/24", "fd00::/112", "10.1.0.0/24"),
            [
                'spec.cidrs: Invalid value: {"CIDRs":["10.0.0.0/24","fd00::/112","10.1.0.0/24"]}: '
                "may only hold up to 2 values"
            ],
            id="three",
        ),
        pytest.param(address(resource="services", name="a", namespace="b"), [], id="of a Service"),
        pytest.param(address(), ["spec.parentRef: Required value"], id="nobody's"),
        pytest.param(
            address(resource="services"), ["spec.parentRef.name: Required value"], id="whose name is lost"
        ),
        pytest.param(
            address(resource="a/b", name="n"),
            ["spec.parentRef.resource: Invalid value: \"a/b\": may not contain '/'"],
            id="no resource",
        ),
    ],
)
def test_ranges_and_addresses_are_checked(obj: Json, words: list[str]) -> None:
    assert wrong(obj) == words


@pytest.mark.parametrize(
    ("new", "old", "words"),
    [
        pytest.param(
            ranges("10.0.0.0/24", "fd00::/112"), ranges("10.0.0.0/24"), [], id="the other family joins"
        ),
        pytest.param(
            ranges("10.1.0.0/24"),
            ranges("10.0.0.0/24"),
            ['spec.cidrs[0]: Invalid value: "10.1.0.0/24": field is immutable'],
            id="another range",
        ),
        pytest.param(
            ranges("10.0.0.0/24"),
            ranges("10.0.0.0/24", "fd00::/112"),
            ['spec.cidrs: Invalid value: ["10.0.0.0/24"]: field is immutable'],
            id="a family leaves",
        ),
        pytest.param(
            address(resource="services", name="b"),
            address(resource="services", name="a"),
            [f"spec.parentRef: Invalid value: {OTHER}: field is immutable"],
            id="another owner",
        ),
    ],
)
def test_ranges_and_owners_stay(new: Json, old: Json, words: list[str]) -> None:
    assert refused_change(new, old) == words
