"""Rules for storage drivers, what they say of nodes and capacity, and attachments.

Source: ``pkg/apis/storage/validation/validation.go``.
"""

from collections.abc import Iterator

from kube_lite.api.errors import Cause
from kube_lite.api.fielderrors import (
    IMMUTABLE,
    duplicate,
    each,
    forbidden,
    immutable,
    invalid,
    not_negative,
    one_of,
    required,
    too_long,
)
from kube_lite.api.identity import Json
from kube_lite.api.names import check_qualified_name, check_subdomain

from .go_struct import go_struct
from .selectors import check_label_selector, show_selector
from .storage import check_parameters, check_provisioner, check_volume_spec
from .values import check_amount, check_csi_driver_name

GROUP_POLICIES = ("File", "None", "ReadWriteOnceWithFSType")
LIFECYCLE_MODES = ("Persistent", "Ephemeral")
TOKEN_MIN, TOKEN_MAX = 600, 1 << 32
UPDATE_PERIOD_MIN = 10
NODE_ID_MAX = 256
METADATA_MAX, MESSAGE_MAX = 256 * 1024, 1024
ONE_SOURCE = "must specify exactly one of inlineVolumeSpec and persistentVolumeName"


def check_csi_driver(driver: Json) -> Iterator[Cause]:
    """A CSIDriver."""
    spec = driver.get("spec") or {}
    policy, period = spec.get("fsGroupPolicy"), spec.get("nodeAllocatableUpdatePeriodSeconds")
    if policy is not None:
        yield from one_of("spec.fsGroupPolicy", policy, GROUP_POLICIES)
    yield from _check_tokens(spec.get("tokenRequests") or ())
    for mode in spec.get("volumeLifecycleModes") or ():
        yield from one_of("spec.volumeLifecycleModes", mode, LIFECYCLE_MODES)
    if period is not None and period < UPDATE_PERIOD_MIN:
        why = f"must be greater than or equal to {UPDATE_PERIOD_MIN} seconds"
        yield invalid("spec.nodeAllocatableUpdatePeriodSeconds", period, why)
    in_secrets = spec.get("serviceAccountTokenInSecrets")
    if in_secrets is not None and not spec.get("tokenRequests"):
        why = "serviceAccountTokenInSecrets is set but no tokenRequests are specified"
        yield invalid("spec.serviceAccountTokenInSecrets", in_secrets, why)


def _check_tokens(requests: list[Json] | tuple[()]) -> Iterator[Cause]:
    audiences: set[str] = set()
    for position, request in enumerate(requests):
        here, audience = f"spec.tokenRequests[{position}]", request.get("audience") or ""
        if audience in audiences:
            yield duplicate(f"{here}.audience", audience)
            continue
        audiences.add(audience)
        seconds = request.get("expirationSeconds")
        if seconds is not None and seconds < TOKEN_MIN:
            why = "may not specify a duration less than 10 minutes"
            yield invalid(f"{here}.expirationSeconds", seconds, why)
        elif seconds is not None and seconds > TOKEN_MAX:
            why = "may not specify a duration larger than 2^32 seconds"
            yield invalid(f"{here}.expirationSeconds", seconds, why)


def check_csi_driver_update(new: Json, old: Json) -> Iterator[Cause]:
    """How volumes are attached is decided once."""
    spec, before = new.get("spec") or {}, old.get("spec") or {}
    yield from immutable("spec.attachedRequired", spec.get("attachRequired"), before.get("attachRequired"))
    modes = "volumeLifecycleModes"
    yield from immutable(f"spec.{modes}", spec.get(modes), before.get(modes))


def check_csi_node(node: Json) -> Iterator[Cause]:
    """A CSINode: the drivers of one node."""
    names: set[str] = set()
    for position, driver in enumerate((node.get("spec") or {}).get("drivers") or ()):
        here, name = f"spec.drivers[{position}]", driver.get("name") or ""
        yield from check_csi_driver_name(f"{here}.name", name)
        node_id = driver.get("nodeID") or ""
        if not node_id:
            yield required(f"{here}.nodeID")
        if len(node_id) > NODE_ID_MAX:
            yield invalid(f"{here}.nodeID", node_id, f"must be {NODE_ID_MAX} characters or less")
        yield from not_negative(f"{here}.allocatable.count", (driver.get("allocatable") or {}).get("count"))
        if name in names:
            yield duplicate(f"{here}.name", name)
        names.add(name)
        yield from _check_topology_keys(driver.get("topologyKeys") or (), here)


def _check_topology_keys(keys: list[str] | tuple[()], path: str) -> Iterator[Cause]:
    seen: set[str] = set()
    for key in keys:
        if not key:
            yield required(path)
        if key in seen:
            yield duplicate(path, key)
        seen.add(key)
        yield from each(path, key, check_qualified_name(key))


def check_csi_node_update(new: Json, old: Json) -> Iterator[Cause]:
    """A driver may come and go, and learn how many volumes it takes."""
    now = (new.get("spec") or {}).get("drivers") or ()
    for was in (old.get("spec") or {}).get("drivers") or ():
        for driver in now:
            bare, before = (
                {field: value for field, value in each_.items() if field != "allocatable"}
                for each_ in (driver, was)
            )
            if driver.get("name") == was.get("name") and bare != before:
                yield invalid("spec.drivers", go_struct(bare, "storage.v1.CSINodeDriver"), IMMUTABLE)


def check_capacity(capacity: Json) -> Iterator[Cause]:
    """A CSIStorageCapacity."""
    yield from check_label_selector(capacity.get("nodeTopology"), "nodeTopology")
    name = capacity.get("storageClassName") or ""
    yield from each("storageClassName", name, check_subdomain(name))
    if capacity.get("capacity") is not None:
        yield from check_amount("capacity", capacity["capacity"])


def check_capacity_update(new: Json, old: Json) -> Iterator[Cause]:
    """What was asked about stays."""
    topology = new.get("nodeTopology")
    if topology != old.get("nodeTopology"):
        yield invalid("nodeTopology", topology and show_selector(topology), IMMUTABLE)
    yield from immutable(
        "storageClassName", new.get("storageClassName") or "", old.get("storageClassName") or ""
    )


def check_attributes_class(attributes: Json) -> Iterator[Cause]:
    """A VolumeAttributesClass."""
    parameters = attributes.get("parameters") or {}
    yield from check_provisioner("driverName", attributes.get("driverName") or "")
    yield from check_parameters(parameters, "parameters")
    if not parameters:
        yield required("parameters", "must contain at least one key/value pair")


def check_attributes_class_update(new: Json, old: Json) -> Iterator[Cause]:
    """Volumes have what the class said when they got it."""
    for field in ("driverName", "parameters"):
        if new.get(field) != old.get(field):
            yield forbidden(field, f"updates to {field} are forbidden.")


def check_attachment(attachment: Json) -> Iterator[Cause]:
    """A VolumeAttachment is for one volume and one node."""
    spec = attachment.get("spec") or {}
    source = spec.get("source") or {}
    yield from check_csi_driver_name("spec.attacher", spec.get("attacher") or "")
    name, inline = source.get("persistentVolumeName"), source.get("inlineVolumeSpec")
    if name is None and inline is None:
        yield required("spec.source", ONE_SOURCE)
    elif name is not None and inline is not None:
        yield forbidden("spec.source", ONE_SOURCE)
    elif name == "":
        why = "must specify non empty persistentVolumeName"
        yield required("spec.source.persistentVolumeName", why)
    elif inline is not None:
        yield from check_volume_spec(inline, "", "spec.source.inlineVolumeSpec", inline=True)
    node = spec.get("nodeName") or ""
    yield from each("spec.nodeName", node, check_subdomain(node))
    yield from _check_attachment_status(attachment.get("status") or {})
    if name is not None:
        yield from each("spec.source.persistentVolumeName", name, check_subdomain(name))


def _check_attachment_status(status: Json) -> Iterator[Cause]:
    metadata = status.get("attachmentMetadata") or {}
    if sum(len(key.encode()) + len(value.encode()) for key, value in metadata.items()) > METADATA_MAX:
        yield too_long("status.attachmentMetadata", METADATA_MAX)
    for field in ("attachError", "detachError"):
        error = status.get(field) or {}
        if len(error.get("message") or "") > MESSAGE_MAX:
            yield too_long(f"status.{field}.message", METADATA_MAX)  # the reference names the wrong limit
        code = error.get("errorCode")
        if code is not None and code < 0:
            why = "must be between 0 and 2147483647, inclusive"
            yield invalid(f"status.{field}.errorCode", code, why)


def check_attachment_update(new: Json, old: Json) -> Iterator[Cause]:
    """Another volume or node is another attachment."""
    if new.get("spec") != old.get("spec"):
        yield invalid("spec", go_struct(new.get("spec") or {}, "storage.v1.VolumeAttachmentSpec"), IMMUTABLE)


def check_attachment_status(new: Json, old: Json) -> Iterator[Cause]:
    """What an attacher may write."""
    yield from check_attachment(new)
