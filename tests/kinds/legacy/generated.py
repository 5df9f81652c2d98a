"""Objects made up from the schema of their kind, as validation would let them pass where that matters."""

from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from kube_lite.api.identity import Json
from kube_lite.api.resource import Resource
from kube_lite.api.schema.load import Definitions, Schema
from kube_lite.api.schema.prune import read_object

DEEPEST = 8
TEMPLATE = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "a", "image": "i"}]}}
EMPTY_MATCH = "pdb.kubernetes.io/deprecated-v1beta1-empty-selector-match"
TEXTS = st.sampled_from(["a", "b-c", "example.com/d"])
QUANTITIES = st.sampled_from(["1", "100m", "2Gi"])


SELECTORS = st.sampled_from([
    {}, {"matchLabels": {"a": "b"}}, {"matchExpressions": [{"key": EMPTY_MATCH, "operator": "Exists"}]},
])  # fmt: skip
"""The other selector by that key means the same as an empty one, and is told as that."""
METADATA = st.fixed_dictionaries(
    {"name": st.just("a"), "uid": st.just("u")},
    optional={
        "labels": st.just({"a": "b"}),
        "annotations": st.dictionaries(
            st.sampled_from(
                ["own", "deprecated.daemonset.template.generation", "deprecated.deployment.rollback.to"]
            ),
            st.sampled_from(["0", "7", "x", "007"]),
            min_size=1,
        ),
    },
)
BACKENDS = st.one_of(
    st.builds(
        lambda port: {"service": {"name": "web", "port": port}},
        st.sampled_from([{"number": 80}, {"name": "http"}]),
    ),
    st.just({"service": {"name": "web", "port": {}}}),
    st.just({"resource": {"kind": "Bucket", "name": "b", "apiGroup": "example.com"}}),
)
ENDPOINTS = st.fixed_dictionaries(
    {"addresses": st.just(["10.0.0.1"])},
    optional={
        "zone": st.just("z"),
        "nodeName": st.just("n"),
        "deprecatedTopology": st.just({"example.com/rack": "r"}),
        "hints": st.just({"forZones": [{"name": "z"}]}),
    },
)
REFERENCE = {"kind": "Ingress", "name": "i", "apiVersion": "extensions/v1beta1"}
MEASURES: dict[str, tuple[str, Json, tuple[str, ...]]] = {
    "Resource": ("resource", {"name": "memory"}, ("averageValue", "averageUtilization")),
    "ContainerResource": (
        "containerResource",
        {"name": "cpu", "container": "c"},
        ("averageValue", "averageUtilization"),
    ),
    "Pods": ("pods", {"metric": {"name": "hits"}}, ("averageValue",)),
    "Object": (
        "object",
        {"metric": {"name": "hits"}, "describedObject": REFERENCE},
        ("value", "averageValue"),
    ),
    "External": (
        "external",
        {"metric": {"name": "q", "selector": {"matchLabels": {"a": "b"}}}},
        ("value", "averageValue"),
    ),
}
TYPES = {"value": "Value", "averageValue": "AverageValue", "averageUtilization": "Utilization"}


def metrics(side: str) -> SearchStrategy[Json]:
    """Metrics of ``v2``, what is wanted (``target``) or what is (``current``)."""
    made = []
    for type_, (field, described, amounts) in MEASURES.items():
        for amount in amounts:
            measured: Json = {amount: 50 if amount == "averageUtilization" else "5"}
            if side == "target":
                measured = {"type": TYPES[amount], **measured}
            made.append({"type": type_, field: {**described, side: measured}})
    return st.sampled_from(made)


SCHEMAS = st.sampled_from([{"type": "object"}, {"type": "object", "properties": {"a": {"type": "string"}}}])

KNOWN: dict[str, SearchStrategy[Any]] = {
    "io.k8s.api.core.v1.PodTemplateSpec": st.just(TEMPLATE),
    "io.k8s.api.core.v1.PersistentVolumeClaim": st.just({"metadata": {"name": "c"}}),
    "io.k8s.api.batch.v1.JobSpec": st.just({"template": TEMPLATE}),
    "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta": METADATA,
    "io.k8s.apimachinery.pkg.apis.meta.v1.LabelSelector": SELECTORS,
    "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps": SCHEMAS,
    "io.k8s.api.networking.v1.IngressBackend": BACKENDS,
    "io.k8s.api.discovery.v1.Endpoint": ENDPOINTS,
    "io.k8s.api.autoscaling.v2.MetricSpec": metrics("target"),
    "io.k8s.api.autoscaling.v2.MetricStatus": metrics("current"),
}
SCALARS: dict[str, SearchStrategy[Any]] = {
    "string": TEXTS,
    "integer": st.integers(1, 3),
    "number": st.integers(1, 3),
    "boolean": st.booleans(),
}


def values(schema: Schema, depth: int = 0) -> SearchStrategy[Any]:
    """Values of a schema; nothing that is optional at a great depth."""
    if schema.name in KNOWN:
        return KNOWN[schema.name]
    if schema.is_quantity:
        return QUANTITIES
    if schema.int_or_string or schema.format == "int-or-string":
        return st.sampled_from([8, "8%"])
    if schema.format == "byte":
        return st.just("YQ==")
    if schema.is_time or schema.is_micro_time:
        return st.just("2020-01-01T00:00:00Z")
    if schema.type == "array" and schema.items is not None:
        return st.lists(values(schema.items, depth + 1), max_size=2) if depth < DEEPEST else st.just([])
    if schema.is_map and schema.additional is not None:
        return st.dictionaries(TEXTS, values(schema.additional, depth + 1), max_size=2)
    if schema.properties:
        fields = {
            name: below for name, below in schema.properties.items() if name not in ("kind", "apiVersion")
        }
        needed = {name: values(below, depth + 1) for name, below in fields.items() if name in schema.required}
        others = {
            name: values(below, depth + 1)
            for name, below in fields.items()
            if name not in schema.required and depth < DEEPEST
        }
        return st.fixed_dictionaries(needed, optional=others)
    return SCALARS.get(schema.type, st.just({}))


def objects(row: Resource, definitions: Definitions) -> SearchStrategy[Json]:
    """Objects of a row, as the server reads them."""
    schema = definitions.schema(row.schema)

    def read(content: Json) -> Json:
        body = {"apiVersion": row.api_version, "kind": row.kind, "metadata": {"name": "a"}, **content}
        obj: Json = read_object(body, schema).value
        return obj

    return values(schema).map(read)
