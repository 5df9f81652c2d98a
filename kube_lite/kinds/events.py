"""Event, in the form of the core group and in that of events.k8s.io; both are one thing in the store."""

from collections.abc import Mapping, Sequence

from kube_lite.api.identity import GroupResource, Json
from kube_lite.api.strategy import NAME, Column
from kube_lite.api.table import UNKNOWN, age

from .base import Described, Kind, Row

TTL_SECONDS = 3600
LAST_SEEN = Described("Last Seen", "core.v1.Event", "lastTimestamp")
FIRST_SEEN = Described("First Seen", "core.v1.Event", "firstTimestamp", priority=1)


class EventStrategy(Kind):
    """Something happened to an object."""

    create_on_update = True
    table = (
        LAST_SEEN,
        Described("Type", "core.v1.Event", "type"),
        Described("Reason", "core.v1.Event", "reason"),
        Described("Object", "core.v1.Event", "involvedObject"),
        Described("Subobject", "core.v1.ObjectReference", "fieldPath", priority=1),
        Described("Source", "core.v1.Event", "source", priority=1),
        Described("Message", "core.v1.Event", "message"),
        FIRST_SEEN,
        Described("Count", "core.v1.Event", "count", priority=1),
        Column(*NAME[:4], priority=1),
    )
    labels = (
        "involvedObject.kind",
        "involvedObject.namespace",
        "involvedObject.name",
        "involvedObject.uid",
        "involvedObject.apiVersion",
        "involvedObject.resourceVersion",
        "involvedObject.fieldPath",
        "reason",
        "reportingComponent",
        "source",
        "type",
    )

    def ttl_seconds(self, obj: Json) -> int | None:
        """An hour, as upstream's ``--event-ttl`` has it by default."""
        return TTL_SECONDS

    def selectable_fields(self, obj: Json) -> Mapping[str, str]:
        """What it is about, why, and who says so."""
        about = obj.get("involvedObject") or obj.get("regarding") or {}
        fields = {
            f"involvedObject.{part}": about.get(part, "")
            for part in ("kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath")
        }
        component = obj.get("reportingComponent") or obj.get("reportingController", "")
        fields["reason"] = obj.get("reason", "")
        fields["reportingComponent"] = component
        fields["source"] = _source(obj).get("component") or component
        fields["type"] = obj.get("type", "")
        return fields

    def cells(self, obj: Json, now: float) -> list[object]:
        """As kubectl shows an event."""
        about = obj.get("involvedObject") or obj.get("regarding") or {}
        first, last, count = _times(obj, now)
        kind = about.get("kind", "").lower()
        return [
            last,
            obj.get("type", ""),
            obj.get("reason", ""),
            f"{kind}/{about['name']}" if about.get("name") else kind,
            about.get("fieldPath", ""),
            _told_by(obj),
            (obj.get("message") or obj.get("note", "")).strip(),
            first,
            count,
            obj["metadata"]["name"],
        ]


def _times(event: Json, now: float) -> tuple[str, str, int]:
    """First and last seen, and how often."""
    began = event.get("firstTimestamp") or event.get("deprecatedFirstTimestamp") or event.get("eventTime")
    ended = event.get("lastTimestamp") or event.get("deprecatedLastTimestamp")
    first = age(began, now)
    last = age(ended, now) if ended else first
    count = event.get("count") or event.get("deprecatedCount") or 1
    series = event.get("series")
    if series:
        last, count = age(series.get("lastObservedTime"), now), series.get("count", count)
    return first, last or UNKNOWN, count


def _source(event: Json) -> Json:
    source: Json = event.get("source") or event.get("deprecatedSource") or {}
    return source


def _told_by(event: Json) -> str:
    source = _source(event)
    component = (
        source.get("component") or event.get("reportingComponent") or event.get("reportingController", "")
    )
    instance = source.get("host") or event.get("reportingInstance", "")
    return f"{component}, {instance}" if instance else component


ALIASES: Mapping[str, str] = {
    **{label.replace("involvedObject", "regarding"): label for label in EventStrategy.labels[:7]},
    "reportingController": "reportingComponent",
}
"""Fields by their names in ``events.k8s.io`` → by those in the core group, under which they are stored.

Source: ``pkg/apis/events/v1/conversion.go`` (AddFieldLabelConversionsForEvent).
"""


class NewerEventStrategy(EventStrategy):
    """The same in the words of ``events.k8s.io``."""

    def field_labels(self) -> Sequence[str]:
        """By their names here."""
        return (*ALIASES, "reason", "type")

    def field_aliases(self) -> Mapping[str, str]:
        """By their names in the core group."""
        return ALIASES


EVENT = Row("Event", "events", EventStrategy, short_names=("ev",))
NEWER_EVENT = EVENT._replace(strategy=NewerEventStrategy, alias_of=GroupResource("", "events"))
