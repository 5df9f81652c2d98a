"""Who may do what: certificates, tokens, nobody, and somebody else."""

import json
from base64 import urlsafe_b64decode
from collections.abc import Iterator
from contextlib import closing

import pytest

from conformance.api.objects import refusal
from conformance.http import Api, Json, Server
from conformance.kubectl import eventually

SELF = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
REVIEW = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}


@pytest.fixture
def nobody(server: Server) -> Iterator[Api]:
    with closing(Api(server.anonymous())) as place:
        yield place


def who(place: Api, **headers: str) -> Json:
    answer = place.post(
        REVIEW, SELF, headers={name.replace("_", "-"): text for name, text in headers.items()}
    )
    assert answer.status == 201, answer
    return answer.body["status"]["userInfo"]


def test_who_asks_without_credentials_is_anonymous(nobody: Api) -> None:
    assert nobody.get("/healthz").text == "ok"
    refused = nobody.get("/api/v1/namespaces/default/pods")
    assert refusal(refused) == (403, "Forbidden")
    assert refused.body["message"] == (
        'pods is forbidden: User "system:anonymous" cannot list resource "pods" '
        'in API group "" in the namespace "default"'
    )


@pytest.mark.parametrize("token", ["wrong", "a.b.c", "x" * 10_000])
def test_a_token_that_nobody_signed_is_not_authorized(server: Server, token: str) -> None:
    with closing(Api(server.anonymous(token))) as place:
        for path in ("/api/v1/nodes", "/healthz"):
            assert refusal(place.get(path)) == (401, "Unauthorized")


@pytest.mark.parametrize(
    ("method", "path", "words"),
    [
        ("GET", "/api/v1/nodes", 'list resource "nodes" in API group "" at the cluster scope'),
        (
            "GET",
            "/apis/apps/v1/namespaces/x/deployments/a",
            'get resource "deployments" in API group "apps" in the namespace "x"',
        ),
        (
            "DELETE",
            "/api/v1/namespaces/x/pods",
            'deletecollection resource "pods" in API group "" in the namespace "x"',
        ),
        (
            "GET",
            "/api/v1/namespaces/x/pods/a/log",
            'get resource "pods/log" in API group "" in the namespace "x"',
        ),
    ],
)
def test_a_refusal_says_what_may_not_be_done(nobody: Api, method: str, path: str, words: str) -> None:
    refused = nobody.request(method, path)
    assert refusal(refused) == (403, "Forbidden")
    assert f'User "system:anonymous" cannot {words}' in refused.body["message"]


def test_the_administrator_may_be_somebody_else(api: Api) -> None:
    somebody = who(api, Impersonate_User="jane", Impersonate_Group="team")
    assert somebody["username"] == "jane"
    assert set(somebody["groups"]) == {"team", "system:authenticated"}
    refused = api.get("/api/v1/nodes", headers={"Impersonate-User": "jane"})
    assert refusal(refused) == (403, "Forbidden")
    assert 'User "jane" cannot list resource "nodes"' in refused.body["message"]


def test_a_group_without_a_user_is_nobody(api: Api) -> None:
    refused = api.post(REVIEW, SELF, headers={"Impersonate-Group": "team"})
    assert refused.status in (400, 500)
    assert "without impersonating a user" in refused.text


def test_nobody_may_be_somebody_else(nobody: Api) -> None:
    assert refusal(nobody.get("/api/v1/nodes", headers={"Impersonate-User": "jane"})) == (403, "Forbidden")


@pytest.fixture
def token(space: Api) -> str:
    """Of the default account."""

    def is_there() -> None:
        assert space.get("serviceaccounts/default").status == 200

    eventually(is_there)
    wish = {"spec": {"expirationSeconds": 600, "audiences": []}}
    made = space.post(wish, "serviceaccounts/default/token")
    assert made.status == 201, made
    return str(made.body["status"]["token"])


def test_a_token_of_an_account_says_who_it_is(server: Server, token: str, namespace: str) -> None:
    with closing(Api(server.anonymous(token))) as place:
        account = who(place)
    assert account["username"] == f"system:serviceaccount:{namespace}:default"
    assert set(account["groups"]) == {
        "system:serviceaccounts",
        f"system:serviceaccounts:{namespace}",
        "system:authenticated",
    }


def test_a_changed_token_is_worthless(server: Server, token: str) -> None:
    head, claims, signature = token.split(".")
    for wrong in (
        f"{head}.{claims}.{signature[::-1]}",
        f"{head}.{claims[:-4]}AAAA.{signature}",
        f"{head}.{claims}.",
    ):
        with closing(Api(server.anonymous(wrong))) as place:
            assert refusal(place.get("/api/v1/nodes")) == (401, "Unauthorized")


def test_the_claims_of_a_token_bind_it(token: str, namespace: str) -> None:
    claims = token.split(".")[1]
    told = json.loads(urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))
    assert told["sub"] == f"system:serviceaccount:{namespace}:default"
    assert told["kubernetes.io"]["namespace"] == namespace
    assert 590 <= told["exp"] - told["iat"] <= 610


def test_a_token_is_worthless_once_its_account_is_gone(server: Server, space: Api) -> None:
    space.post({"metadata": {"name": "short"}}, "serviceaccounts")
    made = space.post({"spec": {"expirationSeconds": 600}}, "serviceaccounts/short/token").body["status"]
    with closing(Api(server.anonymous(made["token"]))) as place:
        assert who(place)["username"].endswith(":short")
        space.delete("serviceaccounts/short")

        def is_refused() -> None:
            assert place.post(REVIEW, SELF).status == 401

        eventually(is_refused)


def test_a_review_of_a_token_tells_its_user(api: Api, token: str, namespace: str) -> None:
    reviews = api.at("/apis/authentication.k8s.io/v1/tokenreviews")
    good = reviews.post({"spec": {"token": token}}).body["status"]
    assert good["authenticated"] is True
    assert good["user"]["username"] == f"system:serviceaccount:{namespace}:default"
    bad = reviews.post({"spec": {"token": "wrong"}}).body["status"]
    assert not bad.get("authenticated")


def test_reviews_of_access_answer_for_oneself_and_for_others(api: Api) -> None:
    wish = {"resourceAttributes": {"verb": "delete", "resource": "pods", "namespace": "default"}}
    reviews = api.at("/apis/authorization.k8s.io/v1")
    own = reviews.post({"spec": wish}, "selfsubjectaccessreviews")
    assert (own.status, own.body["status"]["allowed"]) == (201, True)
    others = reviews.post({"spec": {**wish, "user": "jane"}}, "subjectaccessreviews")
    assert (others.status, others.body["status"]["allowed"]) == (201, False)
    missing = reviews.post({"spec": wish}, "subjectaccessreviews")
    assert refusal(missing)[0] == 422
