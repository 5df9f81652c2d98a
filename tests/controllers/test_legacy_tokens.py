from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from kube_lite.api.identity import Json
from kube_lite.api.legacy_tokens import INVALID_SINCE, LAST_USED, day_of, start_of
from kube_lite.api.times import format_time
from kube_lite.client.informers import Informers
from kube_lite.controllers.resources import CONFIG_MAPS, NAMESPACES, PODS, SECRETS, SERVICE_ACCOUNTS
from kube_lite.controllers.token_cleanup import Fate, is_tracked_long_enough, plan_token
from kube_lite.controllers.token_tracking import CONFIG, TokenTracking, plan_config
from kube_lite.kit.clock import ManualClock
from kube_lite.kit.service import running

from .harness import World, world
from .test_token_secrets import filled, refusal, secret, text

NOW = 1_700_000_000.0
DAY = 86_400.0
YEAR = 365 * DAY
ACCOUNT: Json = {"metadata": {"name": "web"}, "secrets": [{"name": "web-token"}]}


@pytest.mark.parametrize(
    ("day", "is_one"), [("2023-11-14", True), ("2023-1-14", False), ("", False), ("2023-02-30", False)]
)
def test_what_is_a_day(day: str, is_one: bool) -> None:
    assert (start_of(day) is not None) == is_one


@pytest.mark.parametrize(
    ("age", "labels", "account", "is_mounted", "fate"),
    [
        pytest.param(2 * YEAR, {}, ACCOUNT, False, Fate.INVALIDATE, id="never used"),
        pytest.param(0.5 * YEAR, {}, ACCOUNT, False, Fate.KEEP, id="young"),
        pytest.param(2 * YEAR, {LAST_USED: day_of(NOW - 9 * DAY)}, ACCOUNT, False, Fate.KEEP, id="used"),
        pytest.param(
            3 * YEAR,
            {LAST_USED: day_of(NOW - YEAR - DAY)},
            ACCOUNT,
            False,
            Fate.INVALIDATE,
            id="used long ago",
        ),
        pytest.param(2 * YEAR, {LAST_USED: "lately"}, ACCOUNT, False, Fate.KEEP, id="nobody knows when"),
        pytest.param(2 * YEAR, {}, ACCOUNT, True, Fate.KEEP, id="mounted"),
        pytest.param(2 * YEAR, {}, None, False, Fate.KEEP, id="of nobody"),
        pytest.param(2 * YEAR, {}, {"metadata": {}}, False, Fate.KEEP, id="made by hand"),
        pytest.param(
            2 * YEAR, {INVALID_SINCE: day_of(NOW - DAY)}, ACCOUNT, False, Fate.KEEP, id="invalid since lately"
        ),
        pytest.param(
            3 * YEAR, {INVALID_SINCE: day_of(NOW - YEAR - DAY)}, ACCOUNT, False, Fate.DELETE, id="for a year"
        ),
        pytest.param(2 * YEAR, {INVALID_SINCE: "?"}, ACCOUNT, False, Fate.INVALIDATE, id="no day"),
    ],
)
def test_what_becomes_of_a_token(
    age: float, labels: Json, account: Json | None, is_mounted: bool, fate: Fate
) -> None:
    metadata = {"name": "web-token", "labels": labels, "creationTimestamp": format_time(NOW - age)}
    assert plan_token({"metadata": metadata}, account, is_mounted=is_mounted, now=NOW) is fate


@pytest.mark.parametrize(
    ("since", "is_long"),
    [
        (day_of(NOW - YEAR - 2 * DAY), True), (day_of(NOW - YEAR), False), ("", False),
    ],
)  # fmt: skip
def test_nothing_is_concluded_before_uses_were_noted_for_long(since: str, is_long: bool) -> None:
    assert is_tracked_long_enough({"data": {"since": since}}, NOW) == is_long


def test_a_day_that_is_there_stays_and_one_that_is_none_is_mended() -> None:
    made = plan_config(None, NOW)
    assert made is not None
    assert plan_config(made, NOW + YEAR) is None
    mended = plan_config({**made, "data": {"since": "long", "other": "x"}}, NOW)
    assert mended is not None
    assert mended["data"] == {"since": "2023-11-14", "other": "x"}


@asynccontextmanager
async def tracking(path: Path, clock: ManualClock, *only: str) -> AsyncIterator[World]:
    async with world(path, clock=clock, only=["token-secrets", *only]) as it:
        if await it.find(NAMESPACES, CONFIG.namespace, "") is None:
            await it.create(NAMESPACES, {"metadata": {"name": CONFIG.namespace}}, "")
        informers = Informers(it.client, clock)
        tracker = TokenTracking(it.client, informers, clock, it.issuer.tell_of_uses)
        async with running(informers), running(tracker):
            yield it


async def test_the_day_of_the_last_use_is_noted(tmp_path: Path) -> None:
    clock = ManualClock(NOW)
    async with tracking(tmp_path, clock) as it:
        await it.create(SERVICE_ACCOUNTS, {"metadata": {"name": "web"}})
        await it.create(SECRETS, secret())
        token = text(await filled(it), "token")
        for day in ("2023-11-14", "2023-11-15"):
            it.issuer.verify(token, it.issuer.audiences)
            await clock.advance(1)
            found = await it.get(SECRETS, "web-token")
            assert found["metadata"]["labels"] == {LAST_USED: day}
            it.issuer.verify(token, it.issuer.audiences)
            await clock.advance(1)
            again = await it.get(SECRETS, "web-token")
            assert again["metadata"]["resourceVersion"] == found["metadata"]["resourceVersion"]
            await clock.advance(DAY)
        config = await it.get(CONFIG_MAPS, CONFIG.name, CONFIG.namespace)
        assert config["data"] == {"since": "2023-11-14"}


async def test_a_token_that_nobody_uses_is_made_invalid_after_a_year_and_goes_after_two(
    tmp_path: Path,
) -> None:
    clock = ManualClock(NOW)
    async with tracking(tmp_path, clock, "serviceaccounts", "legacy-token-cleanup") as it:
        names = ("web-token", "used", "by-hand", "mounted")
        listed = [{"name": name} for name in names if name != "by-hand"]
        await it.create(SERVICE_ACCOUNTS, {"metadata": {"name": "web"}, "secrets": listed})
        tokens = {}
        for name in names:
            await it.create(SECRETS, secret(name))
            tokens[name] = text(await filled(it, name), "token")
        await it.until_account()
        volume = {"name": "v", "secret": {"secretName": "mounted"}}
        spec = {"containers": [{"name": "c", "image": "i"}], "volumes": [volume]}
        await it.create(PODS, {"metadata": {"name": "p"}, "spec": spec})
        for year in (1, 2):
            for _ in range(37):
                await clock.advance(10 * DAY)
                it.issuer.verify(tokens["used"], it.issuer.audiences)
            left = {one["metadata"]["name"] for one in await it.list(SECRETS)}
            if year == 1:
                assert left == set(names)
                assert "has been marked invalid" in await refusal(it, tokens["web-token"])
                for name in names[1:]:
                    it.issuer.verify(tokens[name], it.issuer.audiences)
        assert left == set(names) - {"web-token"}
