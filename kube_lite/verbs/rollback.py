"""``POST …/deployments/NAME/rollback`` of ``extensions/v1beta1`` and ``apps/v1beta1``: note a wish.

The Deployment's controller fulfils it. Source: ``RollbackREST`` in kubernetes/pkg/registry/apps/deployment.
"""

from kube_lite.api.errors import BadRequest, Cause, invalid
from kube_lite.api.fielderrors import invalid as invalid_value
from kube_lite.api.fielderrors import required
from kube_lite.api.identity import GroupVersionKind, Json, ObjectKey

from .decoding import read_body
from .options import parse_write_options
from .parts import Parts
from .request import Answer, Request
from .writing import Writing

KIND = "DeploymentRollback"


class Rollbacks:
    """Takes wishes to roll back."""

    def __init__(self, parts: Parts, writing: Writing) -> None:
        self._parts = parts
        self._writing = writing

    async def request(self, request: Request) -> Answer:
        """Write into the Deployment where it is to go back to.

        Raises:
            BadRequest: the body is for another Deployment.
            Invalid: it does not say for which, or names a revision below zero.
        """
        parts, resource = self._parts, request.resource
        gvk = GroupVersionKind(resource.group, resource.version, KIND)
        options = parse_write_options("CreateOptions", request.query, user_agent=request.user_agent)
        schema = parts.definitions.schema(f"{resource.schema.rpartition('.')[0]}.{KIND}")
        body = read_body(parts, gvk, schema, request.body, request.content_type, options).obj
        wish = body.get("rollbackTo") or {}
        causes = check_rollback(body.get("name") or "", wish.get("revision", 0))
        if causes:
            raise invalid(gvk.group, KIND, body.get("name") or "", causes)
        if body["name"] != request.name:
            raise BadRequest(
                f'name in URL does not match name in {KIND} object: request name "{request.name}", '
                f'object name "{body["name"]}"'
            )

        async def wishing(old: Json) -> Json:
            metadata, updated = dict(old["metadata"]), body.get("updatedAnnotations")
            if updated:
                metadata["annotations"] = {**(metadata.get("annotations") or {}), **updated}
            return {**old, "metadata": metadata, "spec": {**old["spec"], "rollbackTo": wish}}

        key = ObjectKey(request.namespace, request.name)
        answer = await self._writing.change(request, key, wishing, options)
        message = f'rollback request for deployment "{request.name}" succeeded'
        return Answer(201, object=succeeded(message), warnings=answer.warnings)


def check_rollback(name: str, revision: int) -> list[Cause]:
    """What is wrong with a wish."""
    causes = [] if name else [required("name", "name is required")]
    if revision < 0:
        causes.append(invalid_value("rollback.revision", revision, "must be greater than or equal to 0"))
    return causes


def succeeded(message: str) -> Json:
    """The Status that answers."""
    status: Json = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}
    return {**status, "message": message, "code": 200}
