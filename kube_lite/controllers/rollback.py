"""Roll a Deployment back because an annotation asks for it: how clients of old had it done by the server.

``apps/v1`` knows no field for it, and leaves it to clients to write an old template; the versions before had
``spec.rollbackTo``, which today is an annotation. Source: kubernetes/pkg/controller/deployment/rollback.go.
"""

from collections.abc import Iterable
from typing import NamedTuple

from kube_lite.api import meta
from kube_lite.api.identity import Json

from . import revisions

ROLLBACK_TO = "deprecated.deployment.rollback.to"
NOT_FOUND, UNCHANGED, DONE = (
    "DeploymentRollbackRevisionNotFound",
    "DeploymentRollbackTemplateUnchanged",
    "DeploymentRollback",
)


class Rollback(NamedTuple):
    """What comes of the wish: the Deployment to write, which wishes no more, and the Event that tells."""

    deployment: Json
    type: str
    reason: str
    message: str


def plan_rollback(deployment: Json, sets: Iterable[Json]) -> Rollback | None:
    """Decide what to do about the wish of a Deployment to be rolled back; None where it has none.

    Args:
        sets: all of its ReplicaSets. The wished revision 0 is the one before the newest.
    """
    wished = revisions.number_annotation(deployment, ROLLBACK_TO)
    if wished is None:
        return None
    fulfilled = _without_wish(deployment)
    known = {revisions.revision_of(owned): owned for owned in sets}
    if wished == 0:
        before = sorted(number for number in known if number > 0)[:-1]
        if not before:
            return Rollback(fulfilled, "Warning", NOT_FOUND, "Unable to find last revision.")
        wished = before[-1]
    found = known.get(wished)
    if found is None:
        return Rollback(fulfilled, "Warning", NOT_FOUND, "Unable to find the revision to rollback to.")
    name = deployment["metadata"]["name"]
    if revisions.same_template(found["spec"]["template"], deployment["spec"]["template"]):
        words = f'The rollback revision contains the same template as current deployment "{name}"'
        return Rollback(fulfilled, "Warning", UNCHANGED, words)
    words = f'Rolled back deployment "{name}" to revision {wished}'
    return Rollback(_with_template(fulfilled, found), "Normal", DONE, words)


def _without_wish(deployment: Json) -> Json:
    annotations = {key: text for key, text in meta.annotations_of(deployment).items() if key != ROLLBACK_TO}
    return {**deployment, "metadata": {**deployment["metadata"], "annotations": annotations}}


def _with_template(deployment: Json, owned: Json) -> Json:
    """The Deployment with the template of a ReplicaSet, and with what that has copied of its annotations."""
    template = meta.copy(owned["spec"]["template"])
    template["metadata"]["labels"].pop(revisions.HASH_LABEL, None)
    kept, copied = meta.annotations_of(deployment), meta.annotations_of(owned)
    annotations = {
        **{key: text for key, text in kept.items() if key in revisions.NOT_COPIED},
        **{key: text for key, text in copied.items() if key not in revisions.NOT_COPIED},
    }
    metadata = {**deployment["metadata"], "annotations": annotations}
    return {**deployment, "metadata": metadata, "spec": {**deployment["spec"], "template": template}}
