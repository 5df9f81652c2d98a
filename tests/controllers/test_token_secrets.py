import base64
from pathlib import Path

import jwt
import pytest

from kube_lite.api.identity import Json
from kube_lite.api.legacy_tokens import INVALID_SINCE
from kube_lite.auth.authenticate import Credentials
from kube_lite.auth.service_accounts import InvalidToken
from kube_lite.controllers.resources import SECRETS, SERVICE_ACCOUNTS
from kube_lite.controllers.token_secrets import ACCOUNT_NAME, ACCOUNT_UID, TYPE, plan_contents

from .harness import World, world

ONLY = ["token-secrets"]


def secret(name: str = "web-token", account: str = "web") -> Json:
    return {"metadata": {"name": name, "annotations": {ACCOUNT_NAME: account}}, "type": TYPE}


async def filled(it: World, name: str = "web-token") -> Json:
    """The Secret, when it has a token."""

    async def has_token() -> bool:
        return "token" in ((await it.get(SECRETS, name)).get("data") or {})

    await it.until(has_token)
    return await it.get(SECRETS, name)


def text(of: Json, field: str) -> str:
    return base64.b64decode(of["data"][field]).decode()


async def refusal(it: World, token: str) -> str:
    with pytest.raises(InvalidToken) as caught:
        it.issuer.verify(token, it.issuer.audiences)
    return str(caught.value)


def test_only_what_is_missing_or_wrong_is_written() -> None:
    metadata = {"namespace": "x"}
    assert plan_contents({"metadata": metadata}, "ca") == {"ca.crt": "ca", "namespace": "x", "token": ""}
    full = {"ca.crt": "Y2E=", "namespace": "eA==", "token": "dA=="}
    assert plan_contents({"metadata": metadata, "data": full}, "ca") == {}
    assert plan_contents({"metadata": metadata, "data": full}, "another") == {"ca.crt": "another"}


async def test_a_secret_is_given_a_token_without_end_that_is_its_account(tmp_path: Path) -> None:
    async with world(tmp_path, only=ONLY) as it:
        account = await it.create(SERVICE_ACCOUNTS, {"metadata": {"name": "web"}})
        await it.create(SECRETS, secret())
        found = await filled(it)
        assert found["metadata"]["annotations"][ACCOUNT_UID] == account["metadata"]["uid"]
        assert (text(found, "namespace"), text(found, "ca.crt")) == ("default", "a certificate")
        token = text(found, "token")
        assert jwt.decode(token, options={"verify_signature": False}) == {
            "iss": "kubernetes/serviceaccount",
            "kubernetes.io/serviceaccount/namespace": "default",
            "kubernetes.io/serviceaccount/secret.name": "web-token",
            "kubernetes.io/serviceaccount/service-account.name": "web",
            "kubernetes.io/serviceaccount/service-account.uid": account["metadata"]["uid"],
            "sub": "system:serviceaccount:default:web",
        }
        user = it.issuer.authenticate(Credentials(bearer_token=token))
        assert user is not None
        assert (user.name, user.extra) == ("system:serviceaccount:default:web", {})


async def test_a_token_is_no_good_without_the_secret_that_holds_it(tmp_path: Path) -> None:
    async with world(tmp_path, only=ONLY) as it:
        await it.create(SERVICE_ACCOUNTS, {"metadata": {"name": "web"}})
        await it.create(SECRETS, secret())
        token = text(await filled(it), "token")
        label = {"metadata": {"labels": {INVALID_SINCE: "2026-01-01"}}}
        await it.merge(SECRETS, "web-token", label)
        assert "has been marked invalid" in await refusal(it, token)
        await it.merge(SECRETS, "web-token", {"data": {"token": base64.b64encode(b"other").decode()}})
        assert await refusal(it, token) == "Token does not match server's copy"
        await it.delete(SECRETS, "web-token")
        assert await refusal(it, token) == "Token has been invalidated"


async def test_a_secret_goes_with_its_account_and_with_no_other(tmp_path: Path) -> None:
    async with world(tmp_path, only=ONLY) as it:
        for name in ("web", "other"):
            await it.create(SERVICE_ACCOUNTS, {"metadata": {"name": name}})
            await it.create(SECRETS, secret(f"{name}-token", name))
            await filled(it, f"{name}-token")
        await it.delete(SERVICE_ACCOUNTS, "web")
        await it.create(SERVICE_ACCOUNTS, {"metadata": {"name": "web"}})
        await it.until_gone(SECRETS, "web-token")
        assert await it.find(SECRETS, "other-token") is not None


async def test_a_secret_for_nobody_is_removed(tmp_path: Path) -> None:
    async with world(tmp_path, only=ONLY) as it:
        await it.create(SECRETS, secret())
        await it.until_gone(SECRETS, "web-token")


async def test_an_account_forgets_a_secret_that_has_gone(tmp_path: Path) -> None:
    async with world(tmp_path, only=ONLY) as it:
        listed = [{"name": "web-token"}, {"name": "else"}]
        await it.create(SERVICE_ACCOUNTS, {"metadata": {"name": "web"}, "secrets": listed})
        await it.create(SECRETS, secret())
        await filled(it)
        await it.delete(SECRETS, "web-token")

        async def is_forgotten() -> bool:
            account = await it.get(SERVICE_ACCOUNTS, "web")
            return bool(account["secrets"] == [{"name": "else"}])

        await it.until(is_forgotten)
