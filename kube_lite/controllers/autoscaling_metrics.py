"""What the metrics APIs say: resource use of Pods, metrics of Pods and other objects, metrics from outside.

They are ordinary APIs that somebody may serve, or not, so each answer may be a refusal, which becomes the
reason why an autoscaler cannot tell how many replicas there should be.
"""

from typing import NamedTuple

from kube_lite.api.errors import ApiError, NotFound
from kube_lite.api.identity import GroupVersionResource, Json
from kube_lite.api.quantity import parse_quantity
from kube_lite.api.times import parse_duration, parse_time
from kube_lite.client.protocol import Client

from .autoscaling_replicas import CannotTell, Measured

POD_METRICS = GroupVersionResource("metrics.k8s.io", "v1beta1", "pods")
NOT_SERVED = "could not find the requested resource"
CUSTOM = "custom.metrics.k8s.io"
EXTERNAL = "external.metrics.k8s.io"


class Metrics(NamedTuple):
    """Asks the metrics APIs."""

    client: Client

    async def of_resource(
        self, namespace: str, selector: str, resource: str, container: str = ""
    ) -> dict[str, Measured]:
        """Use of a resource by Pod, in all containers or the one named. Raises ``CannotTell``."""
        try:
            found = await self.client.list(POD_METRICS, namespace=namespace, label_selector=selector)
        except ApiError as error:
            told = _told(error, "get pods.metrics.k8s.io")
            why = f"unable to fetch metrics from resource metrics API: {told}"
            raise CannotTell(f"unable to get metrics for resource {resource}: {why}") from error
        measured = {}
        for entry in found.items:
            amounts = [
                one["usage"].get(resource)
                for one in entry.get("containers") or ()
                if not container or one["name"] == container
            ]
            if amounts and None not in amounts:
                value = sum(parse_quantity(amount).milli_value for amount in amounts)
                window = parse_duration(entry.get("window") or "0s")
                measured[entry["metadata"]["name"]] = Measured(value, parse_time(entry["timestamp"]), window)
        if not measured:
            why = "no metrics returned from resource metrics API"
            raise CannotTell(f"unable to get metrics for resource {resource}: {why}")
        return measured

    async def of_pods(self, namespace: str, metric: str) -> dict[str, Measured]:
        """A metric by Pod. Raises ``CannotTell``."""
        found = await self._custom(namespace, "pods", "*", metric)
        return {
            entry["describedObject"]["name"]: Measured(
                parse_quantity(entry["value"]).milli_value, parse_time(entry["timestamp"])
            )
            for entry in found
        }

    async def of_object(self, namespace: str, plural: str, name: str, metric: str) -> int:
        """A metric of one object, in thousandths. Raises ``CannotTell``."""
        found = await self._custom(namespace, plural, name, metric)
        return parse_quantity(found[0]["value"]).milli_value

    async def from_outside(self, namespace: str, metric: str, selector: str) -> int:
        """The sum of an external metric, in thousandths. Raises ``CannotTell``."""
        resource = GroupVersionResource(EXTERNAL, "v1beta1", metric)
        try:
            found = (await self.client.list(resource, namespace=namespace, label_selector=selector)).items
        except ApiError as error:
            why = _told(error, f"get {metric}.{EXTERNAL}")
            raise CannotTell(f"unable to fetch metrics from external metrics API: {why}") from error
        if not found:
            raise CannotTell("no metrics returned from external metrics API")
        return sum(parse_quantity(entry["value"]).milli_value for entry in found)

    async def _custom(self, namespace: str, plural: str, name: str, metric: str) -> list[Json]:
        resource = GroupVersionResource(CUSTOM, "v1beta2", plural)
        try:
            answer = await self.client.get(resource, name, namespace=namespace, subresource=metric)
        except ApiError as error:
            why = error.message
            if isinstance(error, NotFound) and why.endswith(NOT_SERVED):  # found out before anything is asked
                why = f"no custom metrics API ({CUSTOM}) registered"
            raise CannotTell(f"unable to fetch metrics from custom metrics API: {why}") from error
        items: list[Json] = answer.get("items") or []
        if not items:
            raise CannotTell("no metrics returned from custom metrics API")
        return items


def _told(error: ApiError, tried: str) -> str:
    """As client-go words it when there is no such API."""
    if isinstance(error, NotFound) and error.message.endswith(NOT_SERVED):
        return f"{error.message} ({tried})"
    return error.message
