"""Job, CronJob."""

from collections.abc import Mapping

from kube_lite.api.identity import Json
from kube_lite.api.strategy import AGE, NAME, Column
from kube_lite.api.table import age, duration

from .apps import WIDE_CONTAINERS, WIDE_IMAGES
from .base import Described, Kind, Row, age_of
from .cells import NONE, containers_cells, selector_text, template_cells

CONTROLLER_UID = "batch.kubernetes.io/controller-uid"
JOB_NAME = "batch.kubernetes.io/job-name"
LEGACY_CONTROLLER_UID = "controller-uid"
LEGACY_JOB_NAME = "job-name"


class JobStrategy(Kind):
    """Pods until enough of them have succeeded."""

    has_generation = True
    defaults_when_read = (
        True  # its labels are by default those of its pods, which ``prepare_for_create`` makes
    )
    initial_status = "{}"
    labels = ("status.successful",)
    table = (
        NAME,
        Column("Status", description="Status of the job."),
        Described("Completions", "batch.v1.JobStatus", "succeeded"),
        Column("Duration", description="Time required to complete the job."),
        AGE,
        WIDE_CONTAINERS,
        WIDE_IMAGES,
        Described("Selector", "batch.v1.JobSpec", "selector", priority=1),
    )

    def prepare_for_create(self, obj: Json) -> None:
        """Select the job's pods by its uid, unless the client selects by hand.

        Source: ``generateSelector`` in kubernetes/pkg/registry/batch/job/strategy.go.
        """
        super().prepare_for_create(obj)
        spec, uid = obj["spec"], obj["metadata"].get("uid")
        if spec.get("manualSelector") or not uid:
            return
        metadata = spec.setdefault("template", {}).setdefault("metadata", {}) or {}
        spec["template"]["metadata"] = metadata
        name, own = obj["metadata"]["name"], obj["metadata"].get("labels")
        given = metadata.get("labels")
        metadata["labels"] = {
            **(given or {}),
            JOB_NAME: name,
            LEGACY_JOB_NAME: name,
            CONTROLLER_UID: uid,
            LEGACY_CONTROLLER_UID: uid,
        }
        if own and own is given:  # the same in memory, so what is added to one is in the other
            obj["metadata"]["labels"] = dict(metadata["labels"])
        selector = spec.get("selector") or {}
        spec["selector"] = {
            **selector,
            "matchLabels": {**(selector.get("matchLabels") or {}), CONTROLLER_UID: uid},
        }

    def default_propagation(self) -> str:
        """Its pods stay, as they did before there was a garbage collector."""
        return "Orphan"

    def selectable_fields(self, obj: Json) -> Mapping[str, str]:
        """How many pods have succeeded."""
        return {"status.successful": str(obj.get("status", {}).get("succeeded", 0))}

    def field_label_error(self, label: str) -> str:
        """In words of its own."""
        return f'field label "{label}" not supported for Job'

    def cells(self, obj: Json, now: float) -> list[object]:
        """As kubectl shows a Job."""
        return [
            obj["metadata"]["name"],
            _state(obj),
            _completions(obj),
            _duration(obj, now),
            age_of(obj, now),
            *template_cells(obj),
            selector_text(obj["spec"].get("selector")),
        ]


def _state(job: Json) -> str:
    true = {
        entry["type"] for entry in job.get("status", {}).get("conditions") or () if entry["status"] == "True"
    }
    for condition in ("Complete", "Failed"):
        if condition in true:
            return condition
    if "deletionTimestamp" in job["metadata"]:
        return "Terminating"
    for condition in ("Suspended", "FailureTarget", "SuccessCriteriaMet"):
        if condition in true:
            return condition
    return "Running"


def _completions(job: Json) -> str:
    spec = job["spec"]
    succeeded = job.get("status", {}).get("succeeded", 0)
    if spec.get("completions") is not None:
        return f"{succeeded}/{spec['completions']}"
    parallelism = spec.get("parallelism", 0)
    return f"{succeeded}/1 of {parallelism}" if parallelism > 1 else f"{succeeded}/1"


def _duration(job: Json, now: float) -> str:
    status = job.get("status", {})
    if not status.get("startTime"):
        return ""
    ended = status.get("completionTime")
    return duration(status["startTime"], ended) if ended else age(status["startTime"], now)


class CronJobStrategy(Kind):
    """Jobs on a schedule."""

    has_generation = True
    initial_status = "{}"
    table = (
        NAME,
        Described("Schedule", "batch.v1.CronJobSpec", "schedule"),
        Described("Timezone", "batch.v1.CronJobSpec", "timeZone"),
        Described("Suspend", "batch.v1.CronJobSpec", "suspend", type="boolean"),
        Described("Active", "batch.v1.CronJobStatus", "active", type="integer"),
        Described("Last Schedule", "batch.v1.CronJobStatus", "lastScheduleTime"),
        AGE,
        WIDE_CONTAINERS,
        WIDE_IMAGES,
        Described("Selector", "batch.v1.JobSpec", "selector", priority=1),
    )

    def cells(self, obj: Json, now: float) -> list[object]:
        """As kubectl shows a CronJob."""
        spec, status = obj["spec"], obj.get("status", {})
        job = spec["jobTemplate"].get("spec", {})
        last = status.get("lastScheduleTime")
        return [
            obj["metadata"]["name"],
            spec["schedule"],
            spec.get("timeZone") or NONE,
            str(bool(spec.get("suspend"))),
            len(status.get("active") or ()),
            age(last, now) if last else NONE,
            age_of(obj, now),
            *containers_cells(job.get("template", {}).get("spec", {}).get("containers", ())),
            selector_text(job.get("selector")),
        ]


BATCH = (
    Row("CronJob", "cronjobs", CronJobStrategy, short_names=("cj",), categories=("all",), status=True),
    Row("Job", "jobs", JobStrategy, categories=("all",), status=True),
)
