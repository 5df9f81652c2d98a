"""Which devices claims get on a node: the search, as a function."""

from collections.abc import Sequence
from typing import Any

import pytest

from kube_lite.api.identity import Json
from kube_lite.scheduler.devices.allocating import Effort, plan_allocation
from kube_lite.scheduler.devices.errors import Unavailable, Unworkable
from kube_lite.scheduler.devices.pools import Catalogue
from kube_lite.scheduler.devices.records import Features, InUse, Slice
from kube_lite.scheduler.devices.results import plan_result
from kube_lite.scheduler.devices.wishes import read_claim

from .devices import DRIVER, claim, device, device_class, request, resource_slice, way
from .objects import node

NODE = node("n1", labels={"zone": "a"})
IN_ZONE = {"nodeSelectorTerms": [{"matchExpressions": [{"key": "zone", "operator": "In", "values": ["a"]}]}]}
MODEL = f'device.attributes["{DRIVER}"].model'


def allocations(
    slices: Sequence[Json], *claims: Json, taken: Sequence[Json] = (), on: Json = NODE,
    classes: Sequence[Json] = (), effort: int = 100_000, features: Features | None = None,
) -> list[Json] | None:  # fmt: skip
    """What the claims are given."""
    known = {each["metadata"]["name"]: each for each in (device_class(), *classes)}
    features = features or Features()
    in_use = InUse()
    for allocation in taken:
        in_use.add(allocation)
    wishes = [read_claim(each, known.get) for each in claims]
    catalogue = Catalogue(map(Slice, slices), features)
    found = plan_allocation(wishes, on, catalogue, in_use, Effort(effort))
    if found is None:
        return None
    pairs = zip(wishes, found, strict=True)
    return [
        plan_result(wish, taken, on["metadata"]["name"], features, lambda: "share") for wish, taken in pairs
    ]


def names(*args: Any, **options: Any) -> list[list[str]] | None:
    """The same, by the names of the devices alone."""
    found = allocations(*args, **options)
    if found is None:
        return None
    return [[result["device"] for result in each["devices"]["results"]] for each in found]


def held(*devices: str, pool: str = "n1") -> Json:
    """An allocation of some devices."""
    results = [{"request": "r", "driver": DRIVER, "pool": pool, "device": name} for name in devices]
    return {"devices": {"results": results}}


def gpus(count: int, **fields: Any) -> list[Json]:
    return [device(f"gpu-{number}", attributes={"index": number}, **fields) for number in range(count)]


@pytest.mark.parametrize(
    ("slices", "claims", "options", "expected"),
    [
        pytest.param([resource_slice("s", gpus(2), node="n1")], [claim(request())], {}, [["gpu-0"]],
                     id="the first that fits"),
        pytest.param([resource_slice("s", gpus(2), node="n1")], [claim(request())],
                     {"taken": [held("gpu-0")]}, [["gpu-1"]], id="not what somebody has"),
        pytest.param([resource_slice("s", gpus(2), node="n1")], [claim(request(count=3))], {}, None,
                     id="not enough of them"),
        pytest.param([resource_slice("s", gpus(2), node="n2")], [claim(request())], {}, None,
                     id="devices of another node"),
        pytest.param([resource_slice("s", gpus(1), allNodes=True)], [claim(request())], {}, [["gpu-0"]],
                     id="devices of all nodes"),
        pytest.param([resource_slice("s", gpus(1), nodeSelector=IN_ZONE)], [claim(request())], {},
                     [["gpu-0"]], id="devices of some nodes"),
        pytest.param([resource_slice("s", gpus(1), nodeSelector=IN_ZONE)], [claim(request())],
                     {"on": node("n2", labels={"zone": "b"})}, None, id="devices of other nodes"),
        pytest.param([resource_slice("s", [device("a", nodeName="n2"), device("b", allNodes=True)],
                                     perDeviceNodeSelection=True)],
                     [claim(request())], {}, [["b"]], id="each device says where it is"),
        pytest.param([resource_slice("s", [device("a", attributes={"model": "x"}),
                                           device("b", attributes={"model": "y"})], node="n1")],
                     [claim(request(selector=f'{MODEL} == "y"'))], {}, [["b"]], id="by an attribute"),
        pytest.param([resource_slice("s", [device("a", capacity={"memory": "40Gi"}),
                                           device("b", capacity={"memory": "80Gi"})], node="n1")],
                     [claim(request(selector=f'device.capacity["{DRIVER}"].memory.compareTo('
                                             'quantity("80Gi")) >= 0'))], {}, [["b"]], id="by a capacity"),
        pytest.param([resource_slice("s", gpus(3), node="n1")], [claim(request(allocationMode="All"))], {},
                     [["gpu-0", "gpu-1", "gpu-2"]], id="all there are"),
        pytest.param([resource_slice("s", gpus(3), node="n1")], [claim(request(allocationMode="All"))],
                     {"taken": [held("gpu-1")]}, None, id="all, but one is taken"),
        pytest.param([], [claim(request(allocationMode="All"))], {}, None, id="all of none"),
        pytest.param([resource_slice("s", gpus(3), node="n1")], [claim(request(), name="a"),
                                                                 claim(request(count=2), name="b")],
                     {}, [["gpu-0"], ["gpu-1", "gpu-2"]], id="claims of one pod share what there is"),
        pytest.param([resource_slice("s", [device("big", attributes={"model": "b"}),
                                           device("small", attributes={"model": "s"})], node="n1")],
                     [claim(request("any"), request("big", f'{MODEL} == "b"'))], {}, [["small", "big"]],
                     id="who can take anything leaves the rare to others"),
        pytest.param([resource_slice("s", gpus(1), node="n1", driver="nic.example.com")],
                     [claim(request())], {}, None, id="a class of another driver"),
        pytest.param([resource_slice("z", gpus(1), node="n1", pool="b"),
                      resource_slice("y", [device("other")], node="n1", pool="a")],
                     [claim(request())], {}, [["other"]], id="pools by name"),
        pytest.param([resource_slice("s", [device("slow", bindingConditions=["Ready"])], node="n1", pool="a"),
                      resource_slice("t", gpus(1), node="n1", pool="b")],
                     [claim(request())], {}, [["gpu-0"]], id="what has to be made ready comes last"),
    ],
)  # fmt: skip
def test_a_claim_gets_the_first_devices_that_do(
    slices: list[Json], claims: list[Json], options: dict[str, Any], expected: list[list[str]] | None
) -> None:
    assert names(slices, *claims, **options) == expected


ALTERNATIVES = {"name": "r", "firstAvailable": [way("big", f'{MODEL} == "b"'),
                                                way("small", f'{MODEL} == "s"', count=2)]}  # fmt: skip
BIG = device("big", attributes={"model": "b"})
SMALL = [device(f"small-{number}", attributes={"model": "s"}) for number in (0, 1)]


@pytest.mark.parametrize(
    ("devices", "expected"),
    [
        pytest.param([*SMALL, BIG], ["r/big"], id="the first"),
        pytest.param(SMALL, ["r/small", "r/small"], id="the second where the first is not to be had"),
    ],
)
def test_of_alternatives_the_first_that_is_there_is_taken(devices: list[Json], expected: list[str]) -> None:
    found = allocations([resource_slice("s", devices, node="n1")], claim(ALTERNATIVES))
    assert found is not None
    assert [result["request"] for result in found[0]["devices"]["results"]] == expected


NUMA = [
    device(f"gpu-{number}", attributes={"numa": node, "serial": number})
    for number, node in enumerate((0, 1, 1, 0, 1))
]


@pytest.mark.parametrize(
    ("count", "constraint", "expected"),
    [
        pytest.param(2, {"matchAttribute": f"{DRIVER}/numa"}, ["gpu-0", "gpu-3"], id="two alike"),
        pytest.param(3, {"matchAttribute": f"{DRIVER}/numa"}, ["gpu-1", "gpu-2", "gpu-4"], id="three alike"),
        pytest.param(4, {"matchAttribute": f"{DRIVER}/numa"}, None, id="never four alike"),
        pytest.param(2, {"matchAttribute": f"{DRIVER}/colour"}, None, id="alike in what nobody has"),
        pytest.param(2, {"distinctAttribute": f"{DRIVER}/numa"}, ["gpu-0", "gpu-1"], id="two apart"),
        pytest.param(3, {"distinctAttribute": f"{DRIVER}/numa"}, None, id="never three apart"),
        pytest.param(2, {"matchAttribute": f"{DRIVER}/serial", "requests": ["other"]}, ["gpu-0", "gpu-1"],
                     id="a constraint for others"),
    ],
)  # fmt: skip
def test_devices_are_alike_or_apart_as_constraints_say(
    count: int, constraint: Json, expected: list[str] | None
) -> None:
    found = names(
        [resource_slice("s", NUMA, node="n1")], claim(request(count=count), constraints=[constraint])
    )
    assert found == (None if expected is None else [expected])


TAINT = {"key": "broken", "effect": "NoSchedule"}


@pytest.mark.parametrize(
    ("taint", "tolerations", "is_given"),
    [
        pytest.param(TAINT, [], False, id="not tolerated"),
        pytest.param(TAINT, [{"operator": "Exists"}], True, id="tolerated"),
        pytest.param({**TAINT, "value": "x"}, [{"key": "broken", "operator": "Equal", "value": "y"}], False,
                     id="of another value"),
        pytest.param({**TAINT, "effect": "NoExecute"}, [], False, id="that would drive out"),
        pytest.param({**TAINT, "effect": "None"}, [], True, id="that only tells"),
    ],
)  # fmt: skip
def test_tainted_devices_are_for_those_who_tolerate_it(
    taint: Json, tolerations: list[Json], is_given: bool
) -> None:
    slices = [resource_slice("s", [device("a", taints=[taint])], node="n1")]
    assert (names(slices, claim(request(tolerations=tolerations))) is not None) == is_given
    before = Features.of_release(35)
    assert names(slices, claim(request()), features=before) == [["a"]]


def test_admins_get_devices_that_others_have() -> None:
    slices = [resource_slice("s", gpus(1), node="n1")]
    found = allocations(slices, claim(request(adminAccess=True)), taken=[held("gpu-0")])
    assert found is not None
    [result] = found[0]["devices"]["results"]
    assert result["adminAccess"] is True
    in_use = InUse()
    in_use.add(found[0])
    assert not in_use.devices


def counter(**amounts: str) -> list[Json]:
    return [{"counterSet": "card", "counters": {name: {"value": text} for name, text in amounts.items()}}]


PARTITIONS = [
    resource_slice("counters", count=2, pool="p", node="n1",
                   sharedCounters=[{"name": "card", "counters": {"memory": {"value": "40Gi"}}}]),
    resource_slice("devices", [device("whole", consumesCounters=counter(memory="40Gi")),
                               device("half-0", consumesCounters=counter(memory="20Gi")),
                               device("half-1", consumesCounters=counter(memory="20Gi"))],
                   count=2, pool="p", node="n1"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("count", "taken", "expected"),
    [
        pytest.param(1, [], ["whole"], id="the whole card"),
        pytest.param(2, [], ["half-0", "half-1"], id="its halves"),
        pytest.param(3, [], None, id="not both"),
        pytest.param(1, ["half-1"], ["half-0"], id="what others have left"),
        pytest.param(1, ["whole"], None, id="nothing left"),
    ],
)
def test_partitions_of_a_card_share_what_it_has(
    count: int, taken: list[str], expected: list[str] | None
) -> None:
    found = names(PARTITIONS, claim(request(count=count)), taken=[held(*taken, pool="p")])
    assert found == (None if expected is None else [expected])


def part(amount: str) -> Json:
    return {"capacity": {"requests": {"bandwidth": amount}}}


POLICY = {
    "value": "10",
    "requestPolicy": {"default": "2", "validRange": {"min": "2", "max": "8", "step": "2"}},
}


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        pytest.param(["3", "6"], ["4", "6"], id="rounded up to whole steps"),
        pytest.param(["1"], ["2"], id="the least"),
        pytest.param([""], ["2"], id="by default"),
        pytest.param(["9"], None, id="more than one may have"),
        pytest.param(["6", "6"], None, id="together more than there is"),
    ],
)
def test_several_have_parts_of_a_device(asked: list[str], expected: list[str] | None) -> None:
    nic = device("nic", capacity={"bandwidth": POLICY}, allowMultipleAllocations=True)
    slices = [resource_slice("s", [nic], node="n1")]
    claims = [claim(request(**(part(each) if each else {})), name=f"c{at}") for at, each in enumerate(asked)]
    found = allocations(slices, *claims)
    if expected is None:
        assert found is None
        return
    assert found is not None
    results = [each["devices"]["results"][0] for each in found]
    assert [result["consumedCapacity"]["bandwidth"] for result in results] == expected
    assert all(result["shareID"] == "share" for result in results)
    left = 10 - sum(map(int, expected))
    more = claim(request(**part("8")))
    assert (names(slices, more, taken=found) is not None) == (left >= 8)


@pytest.mark.parametrize(
    ("slices", "expected"),
    [
        pytest.param([resource_slice("old", gpus(1), node="n1", generation=1),
                      resource_slice("new", [device("fresh")], node="n1", generation=2)], [["fresh"]],
                     id="the newest generation"),
        pytest.param([resource_slice("s", gpus(1), node="n1", count=2)], None, id="a slice is missing"),
        pytest.param([resource_slice("s", gpus(1), node="n1", pool="p", generation=1),
                      resource_slice("t", gpus(1), node="n2", pool="p", generation=2)], None,
                     id="the newest has nothing for the node"),
        pytest.param([resource_slice("s", gpus(1), node="n1", pool="p", count=2),
                      resource_slice("t", [device("x")], node="n2", pool="p", count=2)], [["gpu-0"]],
                     id="the rest is for another node"),
    ],
)  # fmt: skip
def test_only_whole_pools_give(slices: list[Json], expected: list[list[str]] | None) -> None:
    assert names(slices, claim(request())) == expected


@pytest.mark.parametrize(
    ("slices", "wanted", "error", "words"),
    [
        pytest.param([resource_slice("s", gpus(2), node="n1", count=2)], claim(request(allocationMode="All")),
                     Unworkable, "claim default/c, request r: asks for all devices, but resource pool "
                     "gpu.example.com/n1 is currently being updated", id="all of a pool that is not whole"),
        pytest.param([resource_slice("s", gpus(40), node="n1")], claim(request(allocationMode="All")),
                     Unworkable, "claim default/c: number of requested devices 40 exceeds the claim limit of "
                     "32", id="too many"),
        pytest.param([resource_slice("s", [device("a"), device("a")], node="n1")], claim(request()),
                     Unavailable, "invalid resource pools were encountered", id="two of one name"),
        pytest.param([resource_slice("s", gpus(1), node="n1")], claim(request(selector=f'{MODEL} == "x"')),
                     Unworkable, "claim default/c: selector #0: CEL runtime error: no such key: model",
                     id="a selector without an answer"),
        pytest.param([resource_slice("s", NUMA, node="n1")],
                     claim(request(allocationMode="All"), constraints=[{"matchAttribute": f"{DRIVER}/numa"}]),
                     Unworkable, "claim default/c, request r: cannot add device gpu.example.com/n1/gpu-1 "
                     "because a claim constraint would not be satisfied", id="all, and all alike"),
    ],
)  # fmt: skip
def test_what_cannot_work_is_told(
    slices: list[Json], wanted: Json, error: type[Exception], words: str
) -> None:
    with pytest.raises(error) as caught:
        allocations(slices, wanted)
    assert str(caught.value) == words


def test_an_allocation_says_how_to_set_up_and_where() -> None:
    driver = {"driver": DRIVER, "parameters": {"a": 1}}
    shared = device_class(config=[{"opaque": driver}])
    config = [
        {"requests": ["r"], "opaque": driver},
        {"opaque": driver},
        {"requests": ["x"], "opaque": driver},
    ]
    slices = [resource_slice("s", gpus(1), nodeSelector=IN_ZONE)]
    found = allocations(slices, claim(request(), config=config), classes=[shared])
    assert found == [{
        "devices": {
            "results": [{"request": "r", "driver": DRIVER, "pool": "pool", "device": "gpu-0"}],
            "config": [
                {"source": "FromClass", "requests": ["r"], "opaque": driver},
                {"source": "FromClaim", "requests": ["r"], "opaque": driver},
                {"source": "FromClaim", "opaque": driver},
            ],
        },
        "nodeSelector": IN_ZONE,
    }]  # fmt: skip


def test_devices_that_are_alike_are_tried_once() -> None:
    """Otherwise there would be 10,400,600 ways to find out that there is no thirteenth."""
    devices = [device(f"gpu-{number}", attributes={"serial": number}) for number in range(26)]
    wanted = claim(request("a", count=13), request("b", count=14))
    assert names([resource_slice("s", devices, node="n1")], wanted, effort=1_000) is None


def test_a_search_without_end_is_given_up() -> None:
    devices = [device(f"gpu-{number}", attributes={"serial": number}) for number in range(30)]
    apart = {"distinctAttribute": f"{DRIVER}/serial"}
    wanted = claim(request("a", count=15), request("b", count=16), constraints=[apart])
    with pytest.raises(Unavailable, match="timed out trying to allocate devices"):
        names([resource_slice("s", devices, node="n1")], wanted, effort=5_000)


def test_hundreds_of_devices_cost_little() -> None:
    devices = [device(f"gpu-{number}", attributes={"index": number}) for number in range(128)]
    slices = [resource_slice(f"s{at}", devices, allNodes=True, pool=f"p{at}") for at in range(4)]
    wanted = claim(request(selector=f'device.attributes["{DRIVER}"].index == 127', count=4))
    assert names(slices, wanted, effort=0) == [["gpu-127"] * 4]
