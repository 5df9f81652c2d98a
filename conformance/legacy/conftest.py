"""Which releases of kubectl ask, and that the target has the versions of old at all."""

import os
from pathlib import Path

import pytest

from conformance import kubectl
from conformance.http import Api


def releases() -> list[Path]:
    """The oldest and the newest kubectl, and what ``$KUBECTL_OLD`` names."""
    old = [Path(given)] if (given := os.environ.get("KUBECTL_OLD")) else []
    return list(dict.fromkeys([*old, *kubectl.releases()]))


@pytest.fixture(autouse=True, scope="session")
def versions_of_old(api: Api) -> None:
    """Skip where the target does without them."""
    if api.get("/apis/extensions/v1beta1").status != 200:
        pytest.skip("needs a target with --legacy-apis on")
