"""Other servers as parts of this cluster's API: who we are to them, and what is ours again without them."""

from pathlib import Path

from kube_lite.api.identity import GroupVersion, Json
from kube_lite.auth.user import AUTHENTICATED, MASTERS, User
from kube_lite.http.aggregation import Aggregation
from kube_lite.http.aggregation_availability import ALWAYS
from kube_lite.kit import pki
from kube_lite.kit.clock import Clock
from kube_lite.verbs.local import LocalClient
from kube_lite.verbs.pipeline import Pipeline

from .api_services import local_service, plan_api_services
from .bootstrap import FRONT_PROXY


def front_proxy(directory: Path, clock: Clock) -> pki.Authority:
    """Who vouches for this server where requests are passed on.

    Not the authority of clients: whoever holds a certificate of this one may ask in anybody's name.
    """
    return pki.Authority(directory, "front-proxy-ca", clock.now)


def aggregation(pipeline: Pipeline, authority: pki.Authority, clock: Clock) -> Aggregation:
    """The service that passes requests on, for clients and for our own components."""

    def local(group_version: GroupVersion) -> Json | None:
        rows = [row for row in pipeline.registry if (row.group, row.version) == group_version]
        if rows and all(row.definition for row in rows):
            from kube_lite.api.discovery import ADDED  # like the documents, when it is first needed

            return local_service(group_version, ADDED, ALWAYS, clock.now())
        served = [group_version] if rows else []
        return next((service for _, service in plan_api_services(served, clock.now())), None)

    user = User("system:apiserver", groups=(MASTERS, AUTHENTICATED))
    service = Aggregation(
        LocalClient(pipeline, user, "kube-apiserver", only_here=True),
        pipeline.registry,
        pipeline.authorizer,
        clock,
        lambda: authority.client(FRONT_PROXY, FRONT_PROXY),
        local,
    )
    pipeline.elsewhere = service
    return service
