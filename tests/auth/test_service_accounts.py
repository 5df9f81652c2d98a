from collections.abc import Callable
from pathlib import Path

import jwt
import pytest

from kube_lite.api.errors import Unauthorized
from kube_lite.api.identity import Json, ObjectKey
from kube_lite.auth.authenticate import Credentials
from kube_lite.auth.service_accounts import Bound, InvalidToken, TokenIssuer
from kube_lite.kit.clock import ManualClock

ACCOUNT: Json = {"metadata": {"name": "web", "namespace": "x", "uid": "account-uid"}}
POD: Json = {"metadata": {"name": "p", "namespace": "x", "uid": "pod-uid"}}


@pytest.fixture(scope="module")
def key_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("keys") / "accounts.key"


@pytest.fixture
def there() -> dict[tuple[str, ObjectKey], Json]:
    return {("serviceaccounts", ObjectKey("x", "web")): ACCOUNT, ("pods", ObjectKey("x", "p")): POD}


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def issuer(key_file: Path, there: dict[tuple[str, ObjectKey], Json], clock: ManualClock) -> TokenIssuer:
    issuer = TokenIssuer.open(key_file, clock)
    issuer.look_up_with(lambda plural, key: there.get((plural, key)))
    return issuer


def refused(issuer: TokenIssuer, token: str) -> None:
    with pytest.raises(Unauthorized):
        issuer.authenticate(Credentials(bearer_token=token))


def test_a_token_is_its_account(issuer: TokenIssuer) -> None:
    token = issuer.issue(ACCOUNT, (), 3600, [Bound("pod", "p", "pod-uid")]).token
    user = issuer.authenticate(Credentials(bearer_token=token))
    assert user is not None
    assert (user.name, user.uid) == ("system:serviceaccount:x:web", "account-uid")
    assert user.groups == ("system:serviceaccounts", "system:serviceaccounts:x")
    assert user.extra["authentication.kubernetes.io/pod-name"] == ("p",)


def test_the_key_outlives_the_issuer_and_only_its_owner_reads_it(
    issuer: TokenIssuer, key_file: Path, clock: ManualClock
) -> None:
    token = issuer.issue(ACCOUNT, (), 3600).token
    again = TokenIssuer.open(key_file, clock)
    again.look_up_with(lambda plural, key: ACCOUNT)
    assert again.verify(token, again.audiences).name == "web"
    assert key_file.stat().st_mode & 0o777 == 0o600


async def test_a_token_ends(issuer: TokenIssuer, clock: ManualClock) -> None:
    token = issuer.issue(ACCOUNT, (), 600).token
    assert issuer.authenticate(Credentials(bearer_token=token)) is not None
    await clock.advance(1200)
    refused(issuer, token)


@pytest.mark.parametrize("gone", [("serviceaccounts", ObjectKey("x", "web")), ("pods", ObjectKey("x", "p"))])
def test_a_token_dies_with_what_it_is_bound_to(
    issuer: TokenIssuer, there: dict[tuple[str, ObjectKey], Json], gone: tuple[str, ObjectKey]
) -> None:
    token = issuer.issue(ACCOUNT, (), 3600, [Bound("pod", "p", "pod-uid")]).token
    assert issuer.authenticate(Credentials(bearer_token=token)) is not None
    there[gone] = {"metadata": {**there[gone]["metadata"], "uid": "another"}}
    refused(issuer, token)
    del there[gone]
    refused(issuer, token)


def test_a_token_for_somebody_else_is_no_token_here(issuer: TokenIssuer) -> None:
    token = issuer.issue(ACCOUNT, ["vault"], 3600).token
    refused(issuer, token)
    assert issuer.verify(token, ["vault", "other"]).audiences == ("vault",)
    with pytest.raises(
        InvalidToken, match=r'token audiences \["vault"\] is invalid for the target audiences'
    ):
        issuer.verify(token, issuer.audiences)


def _unsigned(token: str) -> str:
    claims = jwt.decode(token, options={"verify_signature": False})
    return jwt.encode(claims, key="", algorithm="none")


def _changed(token: str) -> str:
    head, _, signature = token.split(".")
    return ".".join((head, jwt.encode({"sub": "x"}, "k" * 32).split(".")[1], signature))


@pytest.mark.parametrize(
    "forge", [pytest.param(_unsigned, id="unsigned"), pytest.param(_changed, id="changed")]
)
def test_a_forged_token_is_refused(issuer: TokenIssuer, forge: Callable[[str], str]) -> None:
    refused(issuer, forge(issuer.issue(ACCOUNT, (), 3600).token))


def test_what_is_no_jwt_is_for_others_to_judge(issuer: TokenIssuer) -> None:
    assert issuer.authenticate(Credentials(bearer_token="abc")) is None
    assert issuer.authenticate(Credentials()) is None
