"""Which releases of kubectl ask, and that the target has the versions of old at all."""

import os
import re
import shutil
from pathlib import Path

import pytest

from conformance.http import Api
from conformance.kubectl import newest_kubectl


def releases() -> list[Path]:
    """The oldest and the newest kubectl beside the one on PATH, and what ``$KUBECTL_OLD`` names."""
    newest, on_path = newest_kubectl(), shutil.which("kubectl")
    if newest is None:
        return []
    beside = Path(on_path).resolve().parent.glob("kubectl.1.*") if on_path else ()
    numbered = {
        int(match[1]): path for path in beside if (match := re.fullmatch(r"kubectl\.1\.(\d+)", path.name))
    }
    old = [Path(given)] if (given := os.environ.get("KUBECTL_OLD")) else []
    oldest = [numbered[min(numbered)]] if numbered else []
    return list(dict.fromkeys([*old, *oldest, newest]))


@pytest.fixture(autouse=True, scope="session")
def versions_of_old(api: Api) -> None:
    """Skip where the target does without them."""
    if api.get("/apis/extensions/v1beta1").status != 200:
        pytest.skip("needs a target with --legacy-apis on")
