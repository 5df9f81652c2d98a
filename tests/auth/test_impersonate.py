import pytest

from kube_lite.api.errors import BadRequest, Forbidden
from kube_lite.auth.authorize import NO_OPINION, Attributes, Decision, Grants
from kube_lite.auth.impersonate import act_as, wish_of
from kube_lite.auth.user import AUTHENTICATED, MASTERS, User

CLARK = User("clark")
LIST_PODS = Attributes(CLARK, "list", "", "v1", "pods", "", "default")
ROBOT = "system:serviceaccount:default:robot"
ON_NODE = {"authentication.kubernetes.io/node-name": ("a",)}


class Granted:
    """Grants what it was told: ``"impersonate users/jane"``; remembers what it was asked."""

    def __init__(self, *granted: str) -> None:
        self._granted = granted
        self.asked: list[str] = []

    def authorize(self, attributes: Attributes) -> Decision:
        subresource = f"/{attributes.subresource}" if attributes.subresource else ""
        asked = f"{attributes.verb} {attributes.resource}{subresource}/{attributes.name}"
        self.asked.append(asked)
        return Decision(True) if asked in self._granted else NO_OPINION

    def grants(self, user: User, namespace: str) -> Grants:
        return Grants(())


@pytest.mark.parametrize(
    ("wish", "granted"),
    [
        pytest.param(User("jane"), ["impersonate users/jane"], id="the older way"),
        pytest.param(
            User("jane", "7", ("team",), {"scopes": ("view",)}),
            [
                "impersonate users/jane",
                "impersonate uids/7",
                "impersonate groups/team",
                "impersonate userextras/scopes/view",
            ],
            id="each claim by itself",
        ),
        pytest.param(
            User("jane"),
            ["impersonate-on:user-info:list pods/", "impersonate:user-info users/jane"],
            id="for this request",
        ),
        pytest.param(
            User(ROBOT),
            ["impersonate-on:serviceaccount:list pods/", "impersonate:serviceaccount serviceaccounts/robot"],
            id="an account for this request",
        ),
        pytest.param(
            User("system:node:a"),
            ["impersonate-on:arbitrary-node:list pods/", "impersonate:arbitrary-node nodes/a"],
            id="a node for this request",
        ),
        pytest.param(
            User("jane", groups=("a", "b", "c", "d")),
            [
                "impersonate-on:user-info:list pods/",
                "impersonate:user-info users/jane",
                "impersonate:user-info groups/*",
            ],
            id="many groups at once",
        ),
    ],
)
def test_who_has_every_grant_of_one_way_acts_as_another(wish: User, granted: list[str]) -> None:
    assert act_as(wish, LIST_PODS, Granted(*granted)).name == wish.name
    for missing in granted:
        with pytest.raises(Forbidden):
            act_as(wish, LIST_PODS, Granted(*(grant for grant in granted if grant != missing)))


def test_an_account_acts_as_the_node_its_pod_is_on_and_as_no_other() -> None:
    granted = Granted("impersonate-on:associated-node:list pods/", "impersonate:associated-node nodes/*")
    asks = LIST_PODS._replace(user=User(ROBOT, extra=ON_NODE))
    assert act_as(User("system:node:a"), asks, granted).groups == ("system:nodes", AUTHENTICATED)
    with pytest.raises(Forbidden):
        act_as(User("system:node:b"), asks, granted)


def test_a_refusal_says_what_the_first_way_would_have_needed() -> None:
    with pytest.raises(Forbidden) as refused:
        act_as(User("jane"), LIST_PODS, Granted("impersonate-on:user-info:list pods/"))
    assert refused.value.message == (
        'users.authentication.k8s.io "jane" is forbidden: User "clark" cannot impersonate:user-info resource '
        '"users" in API group "authentication.k8s.io" at the cluster scope'
    )


def test_releases_of_old_know_one_way() -> None:
    granted = Granted("impersonate-on:user-info:list pods/", "impersonate:user-info users/jane")
    with pytest.raises(Forbidden) as refused:
        act_as(User("jane"), LIST_PODS, granted, is_constrained=False)
    assert refused.value.message == (
        'users "jane" is forbidden: User "clark" cannot impersonate resource "users" in API group "" '
        "at the cluster scope"
    )
    assert (
        act_as(User("jane"), LIST_PODS, Granted("impersonate users/jane"), is_constrained=False).name
        == "jane"
    )


def test_nobody_becomes_a_master_for_one_request() -> None:
    granted = ["impersonate-on:user-info:list pods/", "impersonate:user-info users/root"]
    wish = User("root", groups=(MASTERS,))
    with pytest.raises(Forbidden, match="impersonating the system:masters group is not allowed"):
        act_as(wish, LIST_PODS, Granted(*granted, f"impersonate:user-info groups/{MASTERS}"))
    older = Granted("impersonate users/root", f"impersonate groups/{MASTERS}")
    assert MASTERS in act_as(wish, LIST_PODS, older).groups


@pytest.mark.parametrize(
    ("wish", "groups"),
    [
        pytest.param(User("jane", groups=("team",)), ("team", AUTHENTICATED), id="a user"),
        pytest.param(
            User(ROBOT),
            ("system:serviceaccounts", "system:serviceaccounts:default", AUTHENTICATED),
            id="an account",
        ),
        pytest.param(User("system:anonymous"), ("system:unauthenticated",), id="nobody"),
    ],
)
def test_the_other_has_the_groups_that_logging_in_gives(wish: User, groups: tuple[str, ...]) -> None:
    everything = Granted("impersonate-on:user-info:list pods/", "impersonate-on:serviceaccount:list pods/")
    everything.authorize = lambda attributes: Decision(True)  # type: ignore[method-assign]
    assert act_as(wish, LIST_PODS, everything).groups == groups


def test_claims_without_a_name_make_no_sense() -> None:
    with pytest.raises(BadRequest, match="without impersonating a user name"):
        wish_of([("Impersonate-Group", "team")])
    assert wish_of([("Impersonate-User", "jane"), ("Impersonate-Extra-acme%2fa", "x")]) == User(
        "jane", extra={"acme/a": ("x",)}
    )
