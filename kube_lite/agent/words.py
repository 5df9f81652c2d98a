"""What the node tells people, where the wording depends on the release that is served.

Source: kubernetes/pkg/kubelet (events of ``images`` and ``kuberuntime``).
"""


class Words:
    """Texts and optional status fields of one release, such as ``1.36``."""

    def __init__(self, kubernetes_version: str) -> None:
        self.minor = int(kubernetes_version.lstrip("v").split(".")[1])

    def created(self, container: str) -> str:
        """The message of a ``Created`` event."""
        return "Container created" if self.minor >= 35 else f"Created container: {container}"

    def started(self, container: str) -> str:
        """The message of a ``Started`` event."""
        return "Container started" if self.minor >= 35 else f"Started container {container}"

    def present(self, image: str) -> str:
        """The message of a ``Pulled`` event for an image that was there."""
        text = f'Container image "{image}" already present on machine'
        return f"{text} and can be accessed by the pod" if self.minor >= 35 else text

    @property
    def tells_generation(self) -> bool:
        """Pod status carries ``observedGeneration``."""
        return self.minor >= 33

    @property
    def tells_resources(self) -> bool:
        """Container statuses carry ``resources``."""
        return self.minor >= 33

    @property
    def tells_pod_resources(self) -> bool:
        """The status of a pod carries ``resources`` of its own."""
        return self.minor >= 36

    @property
    def tells_mounts(self) -> bool:
        """Container statuses carry ``volumeMounts``."""
        return self.minor >= 31

    @property
    def tells_sandbox(self) -> bool:
        """There is a condition ``PodReadyToStartContainers``."""
        return self.minor >= 29
