import pytest

from kube_lite.auth.authorize import Attributes, default_authorizer, refusal
from kube_lite.auth.user import ANONYMOUS, AUTHENTICATED, MASTERS, User

JANE = User("jane", groups=(AUTHENTICATED,))
ADMIN = User("admin", groups=(MASTERS,))


@pytest.mark.parametrize(
    ("attributes", "allowed"),
    [
        pytest.param(Attributes(ADMIN, "delete", resource="nodes", name="n"), True, id="masters everything"),
        pytest.param(Attributes(ADMIN, "get", path="/metrics"), True, id="masters every path"),
        pytest.param(Attributes(JANE, "list", resource="pods"), None, id="others nothing"),
        pytest.param(
            Attributes(JANE, "create", group="authorization.k8s.io", resource="selfsubjectaccessreviews"),
            True,
            id="known ones may ask about themselves",
        ),
        pytest.param(Attributes(JANE, "get", path="/apis/apps/v1"), True, id="and what there is"),
        pytest.param(Attributes(ANONYMOUS, "get", path="/apis"), None, id="unknown ones may not"),
        pytest.param(Attributes(ANONYMOUS, "get", path="/livez"), True, id="health is for everybody"),
        pytest.param(Attributes(ANONYMOUS, "get", path="/livez/../metrics"), None, id="and only health"),
        pytest.param(Attributes(JANE, "post", path="/version"), None, id="to be read"),
    ],
)
def test_who_may_do_what(attributes: Attributes, allowed: bool | None) -> None:
    assert default_authorizer().authorize(attributes).allowed is allowed


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        pytest.param(
            Attributes(JANE, "list", "", "v1", "pods", "", "default"),
            'pods is forbidden: User "jane" cannot list resource "pods" in API group "" '
            'in the namespace "default"',
            id="in a namespace",
        ),
        pytest.param(
            Attributes(JANE, "get", "apps", "v1", "deployments", "scale", "", "web"),
            'deployments.apps "web" is forbidden: User "jane" cannot get resource "deployments/scale" '
            'in API group "apps" at the cluster scope',
            id="a subresource by name",
        ),
        pytest.param(
            Attributes(JANE, "get", path="/metrics"),
            'forbidden: User "jane" cannot get path "/metrics"',
            id="a path",
        ),
    ],
)
def test_a_refusal_says_who_may_not_do_what(attributes: Attributes, message: str) -> None:
    assert refusal(attributes).message == message
