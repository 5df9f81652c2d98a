"""Which devices an expression means."""

import pytest

from kube_lite.api.device_selectors import SelectorError, compile_selector, matches, view_of

DEVICE = {
    "name": "gpu-0",
    "attributes": {
        "model": {"string": "a100"},
        "version": {"version": "1.2.3"},
        "healthy": {"bool": True},
        "other.example.com/slot": {"int": 3},
    },
    "capacity": {"memory": {"value": "80Gi"}},
}
OWN = 'device.attributes["gpu.example.com"]'


@pytest.mark.parametrize(
    ("text", "is_meant"),
    [
        pytest.param('device.driver == "gpu.example.com"', True, id="its driver"),
        pytest.param(f'{OWN}.model.startsWith("a")', True, id="an attribute of its driver's"),
        pytest.param('device.attributes["other.example.com"].slot > 3', False, id="one of another domain"),
        pytest.param(f"{OWN}.healthy", True, id="one that is a truth"),
        pytest.param(f'{OWN}.version.isGreaterThan(semver("1.2.0"))', True, id="a version"),
        pytest.param(
            'device.capacity["gpu.example.com"].memory.isLessThan(quantity("1Gi"))', False, id="a capacity"
        ),
        pytest.param(
            'has(device.attributes["x.example.com"].slot)', False, id="a domain of which there is nothing"
        ),
        pytest.param('"x.example.com" in device.attributes', False, id="which is not in the map either"),
        pytest.param('"other.example.com" in device.attributes', True, id="one that is in the map"),
        pytest.param(
            'cel.bind(other, device.attributes["other.example.com"], other.slot == 3)', True, id="a name"
        ),
        pytest.param("device.allowMultipleAllocations", False, id="nobody shares it"),
    ],
)
def test_a_selector_means_devices(text: str, is_meant: bool) -> None:
    assert matches(compile_selector(text), view_of("gpu.example.com", DEVICE)) == is_meant


@pytest.mark.parametrize(
    ("text", "why"),
    [
        pytest.param("1 + 1", "must evaluate to bool or the unknown type, not int", id="no truth"),
        pytest.param("device.colour", "undefined field 'colour'", id="a field that devices do not have"),
        pytest.param(f"{OWN}.colour == 'red'", "no such key: colour", id="an attribute it does not have"),
        pytest.param(f"{OWN}.model", "type conversion error", id="an attribute that is no truth"),
        pytest.param(
            "[1, 2].all(cel, cel.bind(1, 2, 3))", "variable names must be simple identifiers", id="no name"
        ),
    ],
)
def test_a_selector_without_an_answer_says_why(text: str, why: str) -> None:
    with pytest.raises(SelectorError, match=why):
        matches(compile_selector(text), view_of("gpu.example.com", DEVICE))


def test_earlier_releases_tell_nothing_of_shares() -> None:
    with pytest.raises(SelectorError, match="undefined field 'allowMultipleAllocations'"):
        compile_selector("device.allowMultipleAllocations", has_shares=False)
