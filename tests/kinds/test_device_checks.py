"""What is refused of claims to devices, of classes, and of what drivers say of devices."""

from typing import Any

import pytest

from kube_lite.api.identity import GroupVersionKind, Json
from kube_lite.kinds.checks import validate_status_update

from .test_checks import made, refused_change, told, wrong

GROUP = "resource.k8s.io/v1"
DRIVER = "gpu.example.com"
IS_SET = "`perDeviceNodeSelection` is set to true in the ResourceSlice spec"
ONE_WAY = "exactly one of `exactly` or `firstAvailable` is required"
PLACES = "`nodeName`, `nodeSelector`, `allNodes`, `perDeviceNodeSelection`"
NOT_NAMED = (
    "must be the name of a request in the claim or the name of a request and a subrequest separated by '/'"
)


def claim(*requests: Json, status: Json | None = None, **devices: Any) -> Json:
    told: dict[str, Any] = {} if status is None else {"status": status}
    return made(GROUP, "ResourceClaim", spec={"devices": {"requests": list(requests), **devices}}, **told)


def refused_status(new: Json, old: Json) -> list[str]:
    gvk = GroupVersionKind("resource.k8s.io", "v1", "ResourceClaim")
    return told(validate_status_update(gvk, new, old))


def exactly(**fields: Any) -> Json:
    return {"name": "r", "exactly": {"deviceClassName": "gpu", **fields}}


def selecting(expression: str) -> Json:
    return exactly(selectors=[{"cel": {"expression": expression}}])


def resource_slice(*devices: Json, **spec: Any) -> Json:
    pool = {"name": "p", "generation": 1, "resourceSliceCount": 1}
    fields = {"driver": DRIVER, "pool": pool, "nodeName": "n1", "devices": list(devices), **spec}
    return made(GROUP, "ResourceSlice", spec={key: value for key, value in fields.items() if value != ""})


def with_capacity(policy: Json, **fields: Any) -> Json:
    entry = {"value": "10", "requestPolicy": policy}
    return resource_slice({"name": "d", "allowMultipleAllocations": True, "capacity": {"m": entry}, **fields})


def with_span(**span: str) -> Json:
    return with_capacity({"default": "2", "validRange": {"min": "2", **span}})


@pytest.mark.parametrize(
    ("obj", "words"),
    [
        pytest.param(claim(exactly()), [], id="one device"),
        pytest.param(claim(exactly(allocationMode="All")), [], id="all devices"),
        pytest.param(claim(selecting(f'device.driver == "{DRIVER}"')), [], id="a selector"),
        pytest.param(
            claim(
                {"name": "r", "firstAvailable": [{"name": "a", "deviceClassName": "gpu"}]},
                constraints=[{"requests": ["r/a"], "matchAttribute": f"{DRIVER}/model"}],
                config=[{"requests": ["r"], "opaque": {"driver": DRIVER, "parameters": {"a": 1}}}],
            ),
            [],
            id="alternatives",
        ),
        pytest.param(
            claim({"name": "r"}), [f"spec.devices.requests[0]: Required value: {ONE_WAY}"], id="nothing asked"
        ),
        pytest.param(
            claim({**exactly(), "firstAvailable": [{"name": "a", "deviceClassName": "gpu"}]}),
            [f"spec.devices.requests[0]: Invalid value: null: {ONE_WAY}, but multiple fields are set"],
            id="both ways",
        ),
        pytest.param(
            claim(exactly(), exactly()),
            ['spec.devices.requests[1]: Duplicate value: "r"'],
            id="two of one name",
        ),
        pytest.param(
            claim(exactly(deviceClassName="")),
            ["spec.devices.requests[0].exactly.deviceClassName: Required value"],
            id="of no class",
        ),
        pytest.param(
            claim(exactly(allocationMode="All", count=2)),
            [
                "spec.devices.requests[0].exactly.count: Invalid value: 2: "
                "must not be specified when allocationMode is 'All'"
            ],
            id="all, and how many",
        ),
        pytest.param(
            claim(exactly(allocationMode="Some")),
            [
                'spec.devices.requests[0].exactly.allocationMode: Unsupported value: "Some": '
                'supported values: "All", "ExactCount"'
            ],
            id="a mode there is not",
        ),
        pytest.param(
            claim(exactly(tolerations=[{"key": "a", "operator": "Exists", "value": "b"}])),
            [
                'spec.devices.requests[0].exactly.tolerations[0].value: Invalid value: "b": '
                "must be empty for operator `Exists`"
            ],
            id="a toleration of any value, and of one",
        ),
        pytest.param(
            claim(exactly(), constraints=[{"requests": ["q"], "matchAttribute": "a.b/c"}]),
            [f'spec.devices.constraints[0].requests[0]: Invalid value: "q": {NOT_NAMED}'],
            id="a constraint on what is not asked for",
        ),
        pytest.param(
            claim(exactly(), constraints=[{"matchAttribute": "model"}]),
            [
                'spec.devices.constraints[0].matchAttribute: Invalid value: "model": '
                "a fully qualified name must be a domain and a name separated by a slash"
            ],
            id="an attribute of no domain",
        ),
        pytest.param(
            claim(exactly(), config=[{"opaque": {"driver": DRIVER, "parameters": "a"}}]),
            [
                'spec.devices.config[0].opaque.parameters: Invalid value: "<value omitted>": '
                "must be a valid JSON object"
            ],
            id="parameters that are no object",
        ),
    ],
)
def test_what_a_claim_may_ask_for(obj: Json, words: list[str]) -> None:
    assert wrong(obj) == words


def test_a_selector_must_compile_to_a_truth() -> None:
    path = "spec.devices.requests[0].exactly.selectors[0].cel.expression"
    [unknown] = wrong(claim(selecting("device.colour == 'red'")))
    assert unknown.startswith(f"{path}: Invalid value: \"device.colour == 'red'\": compilation failed: ERROR")
    assert wrong(claim(selecting("1 + 1"))) == [
        f'{path}: Invalid value: "1 + 1": must evaluate to bool or the unknown type, not int'
    ]
    three, four = ("device.attributes.all(a, " * depth + "true" + ")" * depth for depth in (3, 4))
    assert wrong(claim(selecting(three))) == []
    assert wrong(claim(selecting(four))) == [f"{path}: Forbidden: too complex, exceeds cost limit"]


def test_what_was_asked_for_stays() -> None:
    [words] = refused_change(claim(exactly(count=2)), claim(exactly()))
    assert words.startswith("spec: Invalid value:")
    assert words.endswith("field is immutable")
    assert refused_change(claim(exactly()), claim(exactly())) == []


def test_templates_are_looked_at_as_claims_are() -> None:
    spec = {"spec": {"devices": {"requests": [{"name": "r"}]}}}
    assert wrong(made(GROUP, "ResourceClaimTemplate", spec=spec)) == [
        f"spec.spec.devices.requests[0]: Required value: {ONE_WAY}"
    ]


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({"extendedResourceName": "example.com/gpu"}, []),
        (
            {"extendedResourceName": "gpu"},
            [
                'spec.extendedResourceName: Invalid value: "gpu": must be a valid extended resource name',
            ],
        ),
        ({"selectors": [{}]}, ["spec.selectors[0].cel: Required value"]),
        ({"config": [{}]}, ["spec.config[0].opaque: Required value"]),
    ],
)
def test_classes(spec: Json, words: list[str]) -> None:
    assert wrong(made(GROUP, "DeviceClass", spec=spec)) == words


@pytest.mark.parametrize(
    ("obj", "words"),
    [
        pytest.param(
            resource_slice(
                {
                    "name": "d",
                    "attributes": {"model": {"string": "a"}, f"{DRIVER}/at": {"version": "1.2.3-rc.1+b"}},
                    "capacity": {"memory": {"value": "1Gi"}},
                    "taints": [{"key": "a", "effect": "NoSchedule"}],
                    "bindingConditions": ["Ready"],
                    "bindingFailureConditions": ["Failed"],
                }
            ),
            [],
            id="a device",
        ),
        pytest.param(resource_slice(nodeName="", allNodes=True), [], id="of all nodes"),
        pytest.param(
            resource_slice({"name": "d", "nodeName": "n"}, nodeName="", perDeviceNodeSelection=True),
            [],
            id="each on its node",
        ),
        pytest.param(
            resource_slice(
                nodeName="",
                devices="",
                sharedCounters=[{"name": "c", "counters": {"m": {"value": "1"}}}],
                allNodes=True,
            ),
            [],
            id="counters",
        ),
        pytest.param(
            resource_slice(nodeName=""),
            [f"spec: Required value: exactly one of {PLACES} is required"],
            id="nowhere",
        ),
        pytest.param(
            resource_slice(allNodes=True),
            [
                f'spec: Invalid value: "{{`nodeName`, `allNodes`}}": exactly one of {PLACES} is required, '
                "but multiple fields are set"
            ],
            id="here and everywhere",
        ),
        pytest.param(
            resource_slice(pool={"name": "p", "generation": -1, "resourceSliceCount": 0}),
            [
                "spec.pool.resourceSliceCount: Invalid value: 0: must be greater than zero",
                "spec.pool.generation: Invalid value: -1: must be greater than or equal to zero",
            ],
            id="a pool of no slices",
        ),
        pytest.param(
            resource_slice({"name": "d"}, {"name": "d"}),
            ['spec.devices[1]: Duplicate value: "d"'],
            id="two devices of one name",
        ),
        pytest.param(
            resource_slice({"name": "d", "allNodes": True}),
            [
                "spec.devices[0]: Invalid value: null: `nodeName`, `nodeSelector` and `allNodes` "
                f"can only be set if {IS_SET}"
            ],
            id="a device in a place of its own",
        ),
        pytest.param(
            resource_slice({"name": "d"}, nodeName="", perDeviceNodeSelection=True),
            [
                "spec.devices[0]: Required value: exactly one of `nodeName`, `nodeSelector`, or `allNodes` "
                f"is required when {IS_SET}"
            ],
            id="a device of no place",
        ),
        pytest.param(
            resource_slice({"name": "d", "attributes": {"a": {}}}),
            ['spec.devices[0].attributes[a]: Invalid value: "": exactly one value must be specified'],
            id="an attribute of no value",
        ),
        pytest.param(
            resource_slice({"name": "d", "attributes": {"a": {"version": "1.2"}}}),
            [
                'spec.devices[0].attributes[a].version: Invalid value: "1.2": '
                "must be a string compatible with semver.org spec 2.0.0"
            ],
            id="a version that is none",
        ),
        pytest.param(
            with_capacity({"default": "1"}, allowMultipleAllocations=False),
            ["spec.devices[0].capacity[m].requestPolicy: Forbidden: allowMultipleAllocations must be true"],
            id="parts of what is one's alone",
        ),
        pytest.param(
            with_capacity({"default": "3", "validValues": ["2", "1", "11"]}),
            [
                'spec.devices[0].capacity[m].requestPolicy.validValues[1]: Invalid value: "1": '
                "values must be sorted in ascending order",
                'spec.devices[0].capacity[m].requestPolicy.validValues[2]: Invalid value: "11": '
                "option is larger than capacity value: 10",
                'spec.devices[0].capacity[m].requestPolicy.validValues: Invalid value: "3": '
                "default value is not valid according to the requestPolicy",
            ],
            id="parts out of order",
        ),
        pytest.param(with_span(max="8", step="2"), [], id="steps"),
        pytest.param(
            with_span(step="0"),
            [
                'spec.devices[0].capacity[m].requestPolicy.validRange.step: Invalid value: "0": '
                "must be greater than zero"
            ],
            id="steps of nothing",
        ),
        pytest.param(
            with_span(max="7", step="2"),
            [
                'spec.devices[0].capacity[m].requestPolicy.validRange.step: Invalid value: "7": '
                "value is not a multiple of a given step (2) from (2)"
            ],
            id="an end between steps",
        ),
        pytest.param(
            resource_slice({"name": "d", "bindingConditions": ["Ready"]}),
            [
                "spec.devices[0].bindingFailureConditions: Invalid value: null: "
                "bindingFailureConditions are required to use bindingConditions"
            ],
            id="ready at some time, and never lost",
        ),
        pytest.param(
            resource_slice({"name": "d", "consumesCounters": [{"counterSet": "c"}]}),
            ["spec.devices[0].consumesCounters[0].counters: Required value"],
            id="it takes of no counter",
        ),
    ],
)
def test_what_drivers_may_say(obj: Json, words: list[str]) -> None:
    assert wrong(obj) == words


def test_slices_stay_with_their_drivers() -> None:
    [words] = refused_change(resource_slice(driver="other.example.com"), resource_slice())
    assert words == 'spec.driver: Invalid value: "other.example.com": field is immutable'


def given(device: str = "d", **fields: Any) -> Json:
    result = {"request": "r", "driver": DRIVER, "pool": "p", "device": device}
    return {"allocation": {"devices": {"results": [result]}}, **fields}


POD = {"resource": "pods", "name": "a", "uid": "1"}


@pytest.mark.parametrize(
    ("status", "before", "words"),
    [
        pytest.param(given(reservedFor=[POD]), {}, [], id="given to a Pod"),
        pytest.param(
            {"reservedFor": [POD]},
            {},
            ["status.reservedFor: Forbidden: may not be specified when `allocated` is not set"],
            id="nothing is given to a Pod",
        ),
        pytest.param(
            given(reservedFor=[{"resource": "pods"}]),
            {},
            ["status.reservedFor[0].name: Required value", "status.reservedFor[0].uid: Required value"],
            id="given to somebody",
        ),
        pytest.param(
            given(devices=[{"driver": DRIVER, "pool": "p", "device": "e"}]),
            given(),
            [f"status.devices[0]: Invalid value: {DRIVER}/p/e: must be an allocated device in the claim"],
            id="news of what was not given",
        ),
    ],
)
def test_what_claims_are_given(status: Json, before: Json, words: list[str]) -> None:
    new, old = claim(exactly(), status=status), claim(exactly(), status=before)
    assert refused_status(new, old) == words


def test_what_was_given_stays() -> None:
    old = claim(exactly(), status=given())
    [words] = refused_status(claim(exactly(), status=given("e")), old)
    assert words.startswith("status.allocation: Invalid value:")
    assert words.endswith("field is immutable")
    assert refused_status(claim(exactly(), status={}), old) == []


def test_claims_that_go_are_not_given_to_more_pods() -> None:
    old = claim(exactly(), status=given())
    new = claim(exactly(), status=given(reservedFor=[POD]))
    new["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    why = "new entries may not be added while `deallocationRequested` or `deletionTimestamp` are set"
    assert refused_status(new, old) == [f"status.reservedFor: Forbidden: {why}"]
