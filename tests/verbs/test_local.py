from kube_lite.api.identity import Json
from tests.contracts.client_contract import ClientContract
from tests.serving import CONFIG_MAPS, Api, config_map


class TestLocalClient(ClientContract):
    pass


async def test_every_watcher_of_an_event_gets_the_same_object(api: Api) -> None:
    client, got = api.client, list[Json]()
    async with client.watch(CONFIG_MAPS) as one, client.watch(CONFIG_MAPS, namespace="default") as other:
        made = await client.create(CONFIG_MAPS, config_map("a"), namespace="default")
        got = [(await anext(one)).object, (await anext(other)).object]
    assert got[0] is got[1]
    assert got[0] == made
