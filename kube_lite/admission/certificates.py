"""A certificate request says who asks, in the server's own words: nobody can ask in another's name.

Source: ``PrepareForCreate`` in ``pkg/registry/certificates/certificates/strategy.go``.
"""

from kube_lite.api.identity import GroupResource

from .chain import CREATE, Attempt, Rule

REQUESTS = GroupResource("certificates.k8s.io", "certificatesigningrequests")


class CertificateRequester(Rule):
    """Writes down who asks."""

    def handles(self, operation: str, resource: GroupResource, subresource: str) -> bool:
        """New requests."""
        return operation == CREATE and resource == REQUESTS and not subresource

    async def mutate(self, attempt: Attempt) -> None:
        """Replace whatever the client wrote there."""
        spec, user = attempt.obj.get("spec"), attempt.user
        if spec is None:
            return
        for field in ("username", "uid", "groups", "extra"):
            spec.pop(field, None)
        spec["username"] = user.name
        if user.groups:
            spec["groups"] = list(user.groups)
        if user.uid:
            spec["uid"] = user.uid
        if user.extra:
            spec["extra"] = {key: list(values) for key, values in user.extra.items()}
