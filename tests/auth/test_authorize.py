import pytest

from kube_lite.auth.authorize import Attributes, AuthorizerUnion, Decision, Grants, MastersAuthorizer, refusal
from kube_lite.auth.user import AUTHENTICATED, MASTERS, User

JANE = User("jane", groups=(AUTHENTICATED,))
ADMIN = User("admin", groups=(MASTERS,))


class Opinion:
    def __init__(self, allowed: bool | None, reason: str = "", *rules: str) -> None:
        self.decision = Decision(allowed, reason)
        self.told = Grants([{"verbs": [rule]} for rule in rules], allowed is not None, reason)

    def authorize(self, attributes: Attributes) -> Decision:
        return self.decision

    def grants(self, user: User, namespace: str) -> Grants:
        return self.told


@pytest.mark.parametrize(
    ("opinions", "decision"),
    [
        pytest.param(
            [Opinion(None), Opinion(True, "a"), Opinion(False, "b")], Decision(True, "a"), id="first"
        ),
        pytest.param(
            [Opinion(False, "b"), Opinion(True, "a")], Decision(False, "b"), id="a denial is an opinion"
        ),
        pytest.param(
            [Opinion(None, "a"), Opinion(None, "b")], Decision(None, "a\nb"), id="reasons are collected"
        ),
    ],
)
def test_the_first_opinion_decides(opinions: list[Opinion], decision: Decision) -> None:
    assert AuthorizerUnion(opinions).authorize(Attributes(JANE, "get", resource="pods")) == decision


def test_grants_of_several_are_complete_only_if_all_are() -> None:
    union = AuthorizerUnion([MastersAuthorizer(), Opinion(True, "", "get"), Opinion(None, "unknown", "list")])
    assert union.grants(JANE, "default") == Grants(
        [{"verbs": ["get"]}, {"verbs": ["list"]}], False, "unknown"
    )


@pytest.mark.parametrize(
    "attributes",
    [
        pytest.param(Attributes(ADMIN, "delete", resource="nodes", name="n"), id="on a resource"),
        pytest.param(Attributes(ADMIN, "get", path="/metrics"), id="on a path"),
    ],
)
def test_masters_may_do_everything_without_a_role(attributes: Attributes) -> None:
    assert MastersAuthorizer().authorize(attributes).allowed
    assert MastersAuthorizer().authorize(attributes._replace(user=JANE)).allowed is None


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
