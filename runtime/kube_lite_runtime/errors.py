"""What can go wrong in a runtime. Each class is one situation."""


class RuntimeFailure(Exception):
    """Any failure that a driver tells of."""


class ImageMissing(RuntimeFailure):
    """The image is not on this host and this driver does not pull it."""


class PullFailed(RuntimeFailure):
    """The image could not be fetched; the message is what the registry or the network said."""


class SandboxFailed(RuntimeFailure):
    """A pod's sandbox could not be set up; ``step`` names the step that failed."""

    def __init__(self, step: str, why: str) -> None:
        super().__init__(f"{step}: {why}")
        self.step = step


class ContainerFailed(RuntimeFailure):
    """A container could not be made or started; ``step`` names the step, ``exec`` for a missing command."""

    def __init__(self, step: str, why: str) -> None:
        super().__init__(f"{step}: {why}")
        self.step = step


class ExecFailed(RuntimeFailure):
    """A command could not be started in a running container."""


class NotRunning(RuntimeFailure):
    """The container has ended or has not begun."""


class NoSuchSandbox(RuntimeFailure):
    """The driver knows no sandbox of that id."""


class NoSuchContainer(RuntimeFailure):
    """The driver knows no container of that id."""


class DialFailed(RuntimeFailure):
    """Nothing listens at a port of a pod, or it cannot be reached; the message says what was tried."""


class NotSupported(RuntimeFailure):
    """This host or driver cannot do it; the message says what would be needed."""
