"""Ingress and EndpointSlice before ``v1``: backends that are told in two fields, places that are labels.

Source: pkg/apis/{networking,extensions,discovery}/v1beta1/{conversion,defaults}.go.
"""

from collections.abc import Callable

from kube_lite.api.identity import Json

from ..endpoints import HOST
from .parts import changed, renamed

ZONE = "topology.kubernetes.io/zone"


def default_ingress(ingress: Json) -> None:
    """How a path matches was up to the controller."""
    for rule in (ingress.get("spec") or {}).get("rules") or ():
        for path in (rule.get("http") or {}).get("paths") or ():
            path["pathType"] = path.get("pathType") or "ImplementationSpecific"


def newer_ingress(ingress: Json) -> Json:
    """``v1beta1`` → ``v1``."""
    return _with_backends(ingress, newer_backend, {"backend": "defaultBackend"})


def older_ingress(ingress: Json) -> Json:
    """``v1`` → ``v1beta1``."""
    return _with_backends(ingress, older_backend, {"defaultBackend": "backend"})


def _with_backends(ingress: Json, convert: Callable[[Json], Json], names: dict[str, str]) -> Json:
    """Every backend converted; ``names`` is how that of the spec is called before and after."""
    spec = ingress.get("spec")
    if not isinstance(spec, dict):
        return ingress
    spec = renamed(spec, names)
    for name in names.values():
        if spec.get(name) is not None:
            spec[name] = convert(spec[name])
    if spec.get("rules"):
        spec["rules"] = [_with_paths(rule, convert) for rule in spec["rules"]]
    return changed(ingress, spec=spec)


def _with_paths(rule: Json, convert: Callable[[Json], Json]) -> Json:
    http = rule.get("http")
    if not http or not http.get("paths"):
        return rule
    paths = [
        {**path, "backend": convert(path["backend"])} if path.get("backend") is not None else path
        for path in http["paths"]
    ]
    return {**rule, "http": {**http, "paths": paths}}


def newer_backend(backend: Json) -> Json:
    """``serviceName`` and ``servicePort`` → ``service``; a port that is a text is the name of one."""
    newer = {field: value for field, value in backend.items() if field not in ("serviceName", "servicePort")}
    name, port = backend.get("serviceName"), backend.get("servicePort")
    if not name and not port:
        return newer
    field = "name" if isinstance(port, str) else "number"
    return {**newer, "service": {"name": name or "", "port": {field: port} if port else {}}}


def older_backend(backend: Json) -> Json:
    """The way back; a service without a port has the port 0."""
    service = backend.get("service")
    if service is None:
        return backend
    older = {field: value for field, value in backend.items() if field != "service"}
    port = service.get("port") or {}
    return {
        "serviceName": service.get("name", ""),
        "servicePort": port.get("name") or port.get("number", 0),
        **older,
    }


def newer_slice(endpoint_slice: Json) -> Json:
    """``v1beta1`` → ``v1``."""
    return _with_endpoints(endpoint_slice, newer_endpoint)


def older_slice(endpoint_slice: Json) -> Json:
    """``v1`` → ``v1beta1``."""
    return _with_endpoints(endpoint_slice, older_endpoint)


def _with_endpoints(endpoint_slice: Json, convert: Callable[[Json], Json]) -> Json:
    endpoints = endpoint_slice.get("endpoints")
    return (
        {**endpoint_slice, "endpoints": [convert(each) for each in endpoints]}
        if endpoints
        else endpoint_slice
    )


def newer_endpoint(endpoint: Json) -> Json:
    """Zone and host leave ``topology`` for fields of their own; a host that is not the node stays."""
    if "topology" not in endpoint:
        return endpoint
    newer = {field: value for field, value in endpoint.items() if field != "topology"}
    topology = dict(endpoint["topology"] or {})
    if ZONE in topology:
        newer["zone"] = topology.pop(ZONE)
    if HOST in topology and newer.get("nodeName", topology[HOST]) == topology[HOST]:
        newer["nodeName"] = topology.pop(HOST)
    return {**newer, "deprecatedTopology": topology} if topology else newer


def older_endpoint(endpoint: Json) -> Json:
    """Zone and node join the ``topology``; the node has a field of its own as well."""
    topology = dict(endpoint.get("deprecatedTopology") or {})
    if endpoint.get("zone") is not None:
        topology[ZONE] = endpoint["zone"]
    if endpoint.get("nodeName") is not None:
        topology.setdefault(HOST, endpoint["nodeName"])
    older = {field: value for field, value in endpoint.items() if field not in ("deprecatedTopology", "zone")}
    return {**older, "topology": topology} if topology else older
