"""What is refused before a node is asked."""

import re

import pytest

from kube_lite.api.errors import ApiError
from kube_lite.api.identity import GroupVersionResource, Json
from kube_lite.http.backends import check_log_options

from .site import Site

PODS = GroupVersionResource("", "v1", "pods")
ACCOUNTS = GroupVersionResource("", "v1", "serviceaccounts")
POD = "/api/v1/namespaces/default/pods/web"


@pytest.mark.parametrize(
    ("query", "text"),
    [
        pytest.param({"tailLines": "-1"}, "tailLines: Invalid value: -1: must be greater than or", id="tail"),
        pytest.param({"limitBytes": "0"}, "limitBytes: Invalid value: 0: must be greater than 0", id="limit"),
        pytest.param({"sinceSeconds": "0"}, "sinceSeconds: Invalid value: 0: must be greater", id="since"),
        pytest.param(
            {"sinceSeconds": "1", "sinceTime": "2020-01-01T00:00:00Z"}, "at most one of", id="since twice"
        ),
        pytest.param({"stream": "Both"}, 'stream: Unsupported value: "Both"', id="no such stream"),
        pytest.param({"stream": "Stdout", "tailLines": "1"}, "mutually exclusive", id="tail of one stream"),
        pytest.param({"tailLines": "x"}, 'parsing "x": invalid syntax', id="no number"),
    ],
)
def test_what_is_asked_of_a_log_makes_sense(query: dict[str, str], text: str) -> None:
    check_log_options("web", {"tailLines": "3", "limitBytes": "1", "sinceSeconds": "1"})
    with pytest.raises(ApiError, match=re.escape(text)):
        check_log_options("web", query)


@pytest.mark.parametrize(
    ("path", "status", "message"),
    [
        ("log", 204, None),
        ("exec", 400, "pod web does not have a host assigned"),
        ("attach", 400, "pod web does not have a host assigned"),
        ("portforward", 400, "pod web does not have a host assigned"),
        ("proxy", 400, "address not allowed"),
    ],
)
async def test_nothing_streams_from_a_pod_without_a_node(
    site: Site, path: str, status: int, message: str | None
) -> None:
    await site.client.create(ACCOUNTS, {"metadata": {"name": "default"}}, namespace="default")
    pod: Json = {"metadata": {"name": "web"}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    await site.client.create(PODS, pod, namespace="default")
    http = await site.session()
    async with http.get(f"{POD}/{path}") as response:
        assert response.status == status
        assert message is None or (await response.json())["message"] == message
    async with http.get(f"{POD}x/{path}") as response:
        assert (response.status, (await response.json())["message"]) == (404, 'pods "webx" not found')
