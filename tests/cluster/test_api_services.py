from pathlib import Path

import kube_lite
from kube_lite.api.identity import GroupVersion
from kube_lite.cluster.api_services import API_SERVICES, no_longer_served, plan_api_services


def test_every_group_that_is_served_has_one_with_the_release_s_priorities() -> None:
    served = [GroupVersion("", "v1"), GroupVersion("apps", "v1"), GroupVersion("example.test", "v1")]
    planned = [service for _, service in plan_api_services(served, 0.0)]
    assert [service["metadata"]["name"] for service in planned] == ["v1.", "v1.apps"]
    assert planned[0]["spec"] == {"version": "v1", "groupPriorityMinimum": 18000, "versionPriority": 1}
    assert planned[1]["status"]["conditions"][0]["reason"] == "Local"


def test_those_of_another_release_go_and_those_of_others_stay() -> None:
    planned = [service for _, service in plan_api_services([GroupVersion("apps", "v1")], 0.0)]
    old = {"metadata": {"name": "v1beta1.apps", "labels": planned[0]["metadata"]["labels"]}}
    foreign = {"metadata": {"name": "v1.example.test"}}
    assert no_longer_served([*planned, old, foreign], planned) == ["v1beta1.apps"]


async def test_a_later_start_makes_what_is_missing_and_takes_away_what_is_not_served(tmp_path: Path) -> None:
    async with kube_lite.Cluster(parts="api", data_dir=tmp_path, kubernetes_version="1.36") as cluster:
        before = [service["metadata"]["name"] for service in (await cluster.client.list(API_SERVICES)).items]
        assert {"v1.", "v1.resource.k8s.io", "v2.autoscaling"} <= set(before)
        await cluster.client.delete(API_SERVICES, "v1.apps")
    async with kube_lite.Cluster(parts="api", data_dir=tmp_path, kubernetes_version="1.30") as cluster:
        after = [service["metadata"]["name"] for service in (await cluster.client.list(API_SERVICES)).items]
        assert "v1.apps" in after
        assert "v1.resource.k8s.io" not in after
