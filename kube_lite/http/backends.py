"""Where a stream of a Pod comes from: which container is meant, and at which address its node answers.

Pure decisions over the Pod and the Node, in the words in which the real server refuses.
Source: ``kubernetes/pkg/registry/core/pod/strategy.go`` (LogLocation, streamLocation) and
``pkg/kubelet/client/kubelet_client.go``.
"""

from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import quote

from kube_lite.api.errors import BadRequest, InternalError, invalid
from kube_lite.api.fielderrors import NOT_NEGATIVE, forbidden, one_of
from kube_lite.api.fielderrors import invalid as invalid_value
from kube_lite.api.identity import Json

KUBELET_PORT = 10250
ADDRESS_TYPES = ("InternalIP", "ExternalIP", "InternalDNS", "ExternalDNS", "Hostname")
ENDED = ("Succeeded", "Failed")
LOG_NUMBERS = ("tailLines", "limitBytes", "sinceSeconds")
LOG_STREAMS = ("All", "Stderr", "Stdout")


class Backend(NamedTuple):
    """A node's API. ``host`` is an address or a name."""

    host: str
    port: int

    def url(self, path: str) -> str:
        """The URL of an escaped path with its query."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"https://{host}:{self.port}{path}"


def choose_container(pod: Json, wanted: str) -> str:
    """The container whose stream is asked for; a Pod of one needs no name.

    Raises:
        BadRequest: there is none of that name, or several to choose from.
    """
    spec, name = pod["spec"], pod["metadata"]["name"]
    names = [container["name"] for container in spec.get("containers") or ()]
    init = [container["name"] for container in spec.get("initContainers") or ()]
    ephemeral = [container["name"] for container in spec.get("ephemeralContainers") or ()]
    if wanted:
        if wanted not in (*names, *init, *ephemeral):
            raise BadRequest(f"container {wanted} is not valid for pod {name}")
        return wanted
    if len(names) == 1:
        return str(names[0])
    if not names:
        raise BadRequest(f"a container name must be specified for pod {name}")
    choice = f"choose one of: [{' '.join(names)}]"
    if init:
        choice += f" or one of the init containers: [{' '.join(init)}]"
    raise BadRequest(f"a container name must be specified for pod {name}, {choice}")


def check_log_options(name: str, query: Mapping[str, str]) -> None:
    """What a request for a log asks for.

    Raises:
        BadRequest: a number is none.
        Invalid: it makes no sense.
    """
    numbers = {field: _number(query[field]) for field in LOG_NUMBERS if query.get(field)}
    causes = []
    if numbers.get("tailLines", 0) < 0:
        causes.append(invalid_value("tailLines", numbers["tailLines"], NOT_NEGATIVE))
    if numbers.get("limitBytes", 1) < 1:
        causes.append(invalid_value("limitBytes", numbers["limitBytes"], "must be greater than 0"))
    if "sinceSeconds" in numbers and query.get("sinceTime"):
        causes.append(forbidden("", "at most one of `sinceTime` or `sinceSeconds` may be specified"))
    elif numbers.get("sinceSeconds", 1) < 1:
        causes.append(invalid_value("sinceSeconds", numbers["sinceSeconds"], "must be greater than 0"))
    stream = query.get("stream", LOG_STREAMS[0])
    causes += one_of("stream", stream, LOG_STREAMS)
    if "tailLines" in numbers and stream in LOG_STREAMS[1:]:
        causes.append(forbidden("", "`tailLines` and specific `stream` are mutually exclusive for now"))
    if causes:
        raise invalid("", "PodLogOptions", name, causes)


def _number(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise BadRequest(f'strconv.ParseInt: parsing "{text}": invalid syntax') from None


def refuse_ended(pod: Json, action: str) -> None:
    """Nothing can be run in a Pod that has ended.

    Raises:
        BadRequest: it has.
    """
    phase = (pod.get("status") or {}).get("phase", "")
    if phase in ENDED:
        raise BadRequest(f"cannot {action} a container in a completed pod; current phase is {phase}")


def refuse_missing(pod: Json, container: str) -> None:
    """A container of which the Pod's status says that it does not run.

    Only for requests that cannot be served anyway: the status lags a moment behind the truth, which is the
    node's.

    Raises:
        BadRequest: it does not.
    """
    status = pod.get("status") or {}
    kinds = ("containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses")
    known = [entry for kind in kinds for entry in status.get(kind) or ()]
    if not any(entry["name"] == container and "running" in entry.get("state", {}) for entry in known):
        raise BadRequest(f'unable to upgrade connection: container not found ("{container}")')


def backend_of(node: Json) -> Backend:
    """Where the node's API answers.

    Raises:
        InternalError: the node does not say.
    """
    status = node.get("status") or {}
    port = (status.get("daemonEndpoints") or {}).get("kubeletEndpoint", {}).get("Port") or KUBELET_PORT
    found = {entry["type"]: entry["address"] for entry in reversed(status.get("addresses") or [])}
    for kind in ADDRESS_TYPES:
        if kind in found:
            return Backend(found[kind], port)
    wanted = " ".join(ADDRESS_TYPES)
    raise InternalError(f"Internal error occurred: no preferred addresses found; known addresses: {wanted}")


def stream_path(action: str, pod: Json, container: str, raw_query: str) -> str:
    """The path on the node's API: ``/exec/NAMESPACE/POD/CONTAINER?command=…``."""
    metadata = pod["metadata"]
    words = [action, metadata["namespace"], metadata["name"], container]
    path = "".join(f"/{quote(word, safe='')}" for word in words)
    return f"{path}?{raw_query}" if raw_query else path


def ports_path(pod: Json) -> str:
    """The path on the node's API under which a Pod's ports are forwarded."""
    metadata = pod["metadata"]
    words = ["portForward", metadata["namespace"], metadata["name"], metadata["uid"]]
    return "".join(f"/{quote(word, safe='')}" for word in words)


def wants_streams(query: Mapping[str, str]) -> None:
    """Refuse to attach to nothing.

    Raises:
        BadRequest: none of the three streams is wanted.
    """
    if not any(query.get(name, "").lower() in ("true", "1") for name in ("stdin", "stdout", "stderr")):
        raise BadRequest("you must specify at least 1 of stdin, stdout, stderr")
