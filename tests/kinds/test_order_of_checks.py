"""In which order changes are judged, what is not looked at then, and what is completed before."""

import re

import pytest

from kube_lite.api.identity import Json
from kube_lite.api.times import canonical_micro_time
from kube_lite.kinds.defaults.core import complete_data_sources

from .test_checks import LABELS, made, told
from .test_rows import strategy_of

CLAIM = {"kind": "PersistentVolumeClaim", "name": "c"}
OTHER = {"apiGroup": "example.test", "kind": "Thing", "name": "t"}


def next_version(old: Json, new: Json) -> list[str]:
    group, _, version = old["apiVersion"].rpartition("/")
    return told(strategy_of(group, version, old["kind"]).strategy.validate_next(new, old))


def service(**spec: object) -> Json:
    fields = {"clusterIP": "10.96.0.5", "clusterIPs": ["10.96.0.5"], "ipFamilies": ["IPv4"]}
    return made("v1", "Service", spec={**fields, "ports": [{"port": 80}], **spec})


def test_wrong_addresses_of_a_service_are_all_that_is_told() -> None:
    wrong = service(clusterIP="x", clusterIPs=["x"], ports=[])
    assert next_version(service(), wrong) == [
        'spec.clusterIPs[0]: Invalid value: "x": must be a valid IP address, '
        "(e.g. 10.9.8.7 or 2001:db8::ffff)"
    ]


def test_the_change_of_a_service_is_told_before_the_rest() -> None:
    wrong = service(clusterIP="10.96.0.6", clusterIPs=["10.96.0.6"], ports=[])
    assert next_version(service(), wrong) == [
        'spec.clusterIPs[0]: Invalid value: ["10.96.0.6"]: may not change once set',
        "spec.ports: Required value",
    ]


def test_a_changed_job_is_looked_at_twice() -> None:
    template = {"metadata": {"labels": LABELS}, "spec": {"containers": [], "restartPolicy": "Never"}}
    spec = {"selector": {"matchLabels": LABELS}, "manualSelector": True, "template": template}
    old = made("batch/v1", "Job", spec=spec)
    new = made("batch/v1", "Job", spec={**spec, "parallelism": -1})
    negative = "spec.parallelism: Invalid value: -1: must be greater than or equal to 0"
    assert next_version(old, new).count(negative) == 2


def test_a_changed_service_cidr_is_not_held_to_the_rules_of_new_ones() -> None:
    old, new = (
        made("networking.k8s.io/v1", "ServiceCIDR", spec={"cidrs": [cidr]}) for cidr in ("10.0.0.0/24", "x")
    )
    assert next_version(old, new) == ['spec.cidrs[0]: Invalid value: "x": field is immutable']


@pytest.mark.parametrize(
    ("spec", "old", "sources"),
    [
        pytest.param({"dataSource": CLAIM}, {}, (CLAIM, CLAIM), id="the old field is told in the new one"),
        pytest.param({"dataSourceRef": OTHER}, {}, (OTHER, OTHER), id="the new field is told in the old one"),
        pytest.param({"dataSource": OTHER}, {}, (None, None), id="the old field knows few kinds"),
        pytest.param({"dataSource": OTHER}, {"dataSource": OTHER}, (OTHER, OTHER), id="what was there stays"),
        pytest.param(
            {"dataSourceRef": {**CLAIM, "namespace": "n"}}, {}, (None, None), id="other namespaces are off"
        ),
    ],
)
def test_the_sources_of_a_claim_agree(spec: Json, old: Json, sources: tuple[Json | None, ...]) -> None:
    spec = dict(spec)
    complete_data_sources(spec, old)
    assert (spec.get("dataSource"), spec.get("dataSourceRef")) == sources


@pytest.mark.parametrize(
    ("text", "rest", "part"),
    [
        pytest.param("2026-01-01T00:00:00Z", "Z", ".000000", id="none"),
        pytest.param("2026-01-01T00:00:00.1234567Z", "7Z", "Z07:00", id="seven"),
    ],
)
def test_micro_times_have_six_digits(text: str, rest: str, part: str) -> None:
    layout = "2006-01-02T15:04:05.000000Z07:00"
    why = f'parsing time "{text}" as "{layout}": cannot parse "{rest}" as "{part}"'
    with pytest.raises(ValueError, match=f"^{re.escape(why)}$"):
        canonical_micro_time(text)
