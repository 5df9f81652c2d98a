import orjson
import pytest
from kube_lite_storage import Store

from kube_lite.api.errors import BadRequest, Expired, Timeout
from kube_lite.api.resource import Registry
from kube_lite.registry import texts
from kube_lite.registry.listing import (
    InconsistentContinue,
    Scope,
    check_not_future,
    decode_token,
    list_objects,
)
from kube_lite.registry.objects import Objects

from .things import config_map, row


async def fill(objects: Objects, registry: Registry, names: str) -> Scope:
    resource = row(registry, "configmaps")
    for name in names:
        await objects.create(resource, config_map(name, parity=str(ord(name) % 2)))
    return Scope(resource, "x")


def names(found: object) -> str:
    return "".join(stored.key.name for stored in found.items)  # type: ignore[attr-defined]


async def test_pages_show_one_moment_whatever_happens_between_them(
    objects: Objects, registry: Registry
) -> None:
    scope = await fill(objects, registry, "abcde")
    first = list_objects(objects, scope, limit=2)
    assert (names(first), first.remaining) == ("ab", 3)
    await objects.create(scope.resource, config_map("bb"))
    second = list_objects(objects, scope, limit=2, continue_token=first.continue_token)
    assert (names(second), second.remaining, second.revision) == ("cd", 1, first.revision)
    third = list_objects(objects, scope, limit=2, continue_token=second.continue_token)
    assert (names(third), third.remaining, third.continue_token) == ("e", None, "")


async def test_nobody_counts_what_a_selector_would_choose(objects: Objects, registry: Registry) -> None:
    scope = await fill(objects, registry, "abcdef")
    odd = Scope(scope.resource, "x", matches=lambda stored: stored.facts.labels["parity"] == "1")
    first = list_objects(objects, odd, limit=2)
    assert (names(first), first.remaining) == ("ac", None)
    rest = list_objects(objects, odd, limit=2, continue_token=first.continue_token)
    assert (names(rest), rest.continue_token) == ("e", "")


async def test_namespaces_are_listed_one_after_the_other(objects: Objects, registry: Registry) -> None:
    resource = row(registry, "configmaps")
    for namespace, name in (("b", "z"), ("a", "y"), ("a-b", "x")):
        await objects.create(resource, config_map(name, namespace))
    assert names(list_objects(objects, Scope(resource))) == "xyz"
    assert names(list_objects(objects, Scope(resource, "a"))) == "y"


async def test_one_name_is_one_read(objects: Objects, registry: Registry) -> None:
    scope = await fill(objects, registry, "ab")
    assert names(list_objects(objects, Scope(scope.resource, "x", "b"))) == "b"
    assert names(list_objects(objects, Scope(scope.resource, "x", "c"))) == ""


async def test_a_token_too_old_brings_one_that_goes_on_as_things_are_now(
    store: Store, objects: Objects, registry: Registry
) -> None:
    scope = await fill(objects, registry, "abcd")
    token = list_objects(objects, scope, limit=2).continue_token
    await objects.create(scope.resource, config_map("cc"))
    await store.compact(store.revision)
    with pytest.raises(InconsistentContinue) as caught:
        list_objects(objects, scope, continue_token=token)
    status = caught.value.status()
    assert (status["code"], status["reason"]) == (410, "Expired")
    rest = list_objects(objects, scope, continue_token=status["metadata"]["continue"])
    assert names(rest) == "cccd"


async def test_forgotten_and_future_versions_are_refused(
    store: Store, objects: Objects, registry: Registry
) -> None:
    scope = await fill(objects, registry, "ab")
    await store.compact(store.revision)
    with pytest.raises(Expired):
        list_objects(objects, scope, at=store.revision - 1)
    with pytest.raises(Timeout, match=f"Too large resource version: 999, current: {store.revision}"):
        check_not_future(objects, 999)


@pytest.mark.parametrize(
    ("token", "why"),
    [
        pytest.param("hello", "illegal base64 data at input byte 4", id="a length that cannot be"),
        pytest.param("aGVsbG8=", "illegal base64 data at input byte 7", id="padding"),
        pytest.param("e30", "server does not recognize this encoded version ", id="no version"),
        pytest.param("eyJ2IjoibWV0YS5rOHMuaW8vdjEiLCJydiI6NX0", "encoded start key empty", id="no key"),
        pytest.param("bnVsbA", "server does not recognize", id="null"),
        pytest.param("AAAA", "", id="no JSON"),
    ],
)
def test_a_token_that_is_none_is_refused(token: str, why: str) -> None:
    with pytest.raises(BadRequest, match="invalid continue token: continue key is not valid: ") as caught:
        decode_token(token)
    assert why in caught.value.message


@pytest.mark.parametrize("limit", [1, 2, 3, 5, 6])
async def test_a_page_of_text_is_read_in_blocks_of_its_moment(
    objects: Objects, registry: Registry, monkeypatch: pytest.MonkeyPatch, limit: int
) -> None:
    monkeypatch.setattr(texts, "BLOCK_BYTES", 1)
    monkeypatch.setattr(texts, "PAGE_BYTES", 1)
    scope = await fill(objects, registry, "abcde")
    page = list_objects(objects, scope, limit=limit)
    text = list_objects(objects, scope, limit=limit, as_text=True)
    assert (text.remaining, text.continue_token) == (page.remaining, page.continue_token)
    await objects.create(scope.resource, config_map("bb"))
    assert text.text is not None
    items = orjson.loads(b"[" + b"".join(text.text)[1:] + b"]")
    assert [item["metadata"]["name"] for item in items] == list("abcde"[:limit])
