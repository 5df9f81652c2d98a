import pytest

from kube_lite.api.identity import Json
from kube_lite.api.pod_security import BASELINE, LATEST, PRIVILEGED, RESTRICTED, find


def container(name: str = "c", **fields: object) -> Json:
    return {"name": name, **fields}


def guarded(**security: object) -> Json:
    """A container that no level has anything against."""
    harmless = {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "runAsNonRoot": True,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    return container(securityContext={**harmless, **security})


def texts(level: str, spec: Json, minor: int = LATEST, **annotations: str) -> list[str]:
    return [str(found) for found in find(level, minor, {"annotations": annotations}, spec)]


def test_an_ordinary_pod_is_baseline_and_a_guarded_one_restricted() -> None:
    assert texts(BASELINE, {"containers": [container()]}) == []
    assert texts(RESTRICTED, {"containers": [guarded()]}) == []


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        (
            {"hostNetwork": True, "hostIPC": True, "containers": [container()]},
            "host namespaces (hostNetwork=true, hostIPC=true)",
        ),
        (
            {
                "containers": [container("a", ports=[{"hostPort": 80}])],
                "initContainers": [container("i", ports=[{"hostPort": 81}])],
            },
            'hostPort (containers "i", "a" use hostPorts 80, 81)',
        ),
        (
            {"containers": [container(securityContext={"capabilities": {"add": ["NET_ADMIN", "CHOWN"]}})]},
            'non-default capabilities (container "c" must not include "NET_ADMIN" in '
            "securityContext.capabilities.add)",
        ),
        (
            {"volumes": [{"name": "v", "hostPath": {"path": "/"}}], "containers": []},
            'hostPath volumes (volume "v")',
        ),
        (
            {
                "securityContext": {"seccompProfile": {"type": "Unconfined"}},
                "containers": [container(securityContext={"seccompProfile": {"type": "Unconfined"}})],
            },
            'seccompProfile (pod and container "c" must not set securityContext.seccompProfile.type to '
            '"Unconfined")',
        ),
        (
            {
                "securityContext": {"seLinuxOptions": {"type": "spc_t", "user": "u"}},
                "containers": [],
            },
            'seLinuxOptions (pod set forbidden securityContext.seLinuxOptions: type "spc_t"; user may not be '
            "set)",
        ),
        (
            {"securityContext": {"sysctls": [{"name": "kernel.msgmax"}]}, "containers": []},
            "forbidden sysctls (kernel.msgmax)",
        ),
        (
            {"containers": [container(livenessProbe={"httpGet": {"host": "10.0.0.1"}})]},
            'probe or lifecycle host (container "c" uses probe or lifecycle host "10.0.0.1")',
        ),
        (
            {"containers": [container(securityContext={"appArmorProfile": {"type": "Unconfined"}})]},
            'forbidden AppArmor profile (container "c" must not set AppArmor profile type to "Unconfined")',
        ),
        (
            {"securityContext": {"windowsOptions": {"hostProcess": True}}, "containers": []},
            "hostProcess (pod must not set securityContext.windowsOptions.hostProcess=true)",
        ),
        (
            {"containers": [container(securityContext={"procMount": "Unmasked"})]},
            'procMount (container "c" must not set securityContext.procMount to "Unmasked")',
        ),
    ],
)
def test_what_baseline_finds(spec: Json, words: str) -> None:
    assert texts(BASELINE, spec) == [words]


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({"containers": [guarded(runAsUser=0)]}, 'runAsUser=0 (container "c" must not set runAsUser=0)'),
        (
            {"containers": [guarded(runAsNonRoot=False)]},
            'runAsNonRoot != true (container "c" must not set securityContext.runAsNonRoot=false)',
        ),
        (
            {"containers": [guarded(capabilities={"add": ["CHOWN"]})]},
            'unrestricted capabilities (container "c" must set securityContext.capabilities.drop=["ALL"]; '
            'container "c" must not include "CHOWN" in securityContext.capabilities.add)',
        ),
        (
            {"containers": [guarded()], "volumes": [{"name": "v", "nfs": {}}, {"name": "w", "hostPath": {}}]},
            'restricted volume types (volumes "v", "w" use restricted volume types "hostPath", "nfs")',
        ),
    ],
)
def test_what_restricted_finds_beyond_that(spec: Json, words: str) -> None:
    assert texts(RESTRICTED, spec) == [words]


def test_an_earlier_release_knows_fewer_checks_and_fewer_harmless_settings() -> None:
    probe = {"containers": [container(livenessProbe={"tcpSocket": {"host": "10.0.0.1"}})]}
    assert texts(BASELINE, probe, 33) == []
    tuned = {"securityContext": {"sysctls": [{"name": "net.ipv4.tcp_rmem"}]}, "containers": []}
    assert texts(BASELINE, tuned, 31) == ["forbidden sysctls (net.ipv4.tcp_rmem)"]
    assert texts(BASELINE, tuned, 32) == []


def test_a_pod_with_users_of_its_own_may_have_a_root() -> None:
    spec = {"hostUsers": False, "containers": [guarded(runAsUser=0, runAsNonRoot=False)]}
    assert texts(RESTRICTED, spec) == []
    assert len(texts(RESTRICTED, spec, 34)) == 2


def test_privileged_finds_nothing() -> None:
    assert texts(PRIVILEGED, {"hostPID": True, "containers": []}) == []
