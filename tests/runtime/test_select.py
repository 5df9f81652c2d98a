import os
import subprocess
import sys
from pathlib import Path

import pytest
from kube_lite_runtime import FakeDriver, process_driver, select_driver
from kube_lite_runtime.process.driver import ProcessDriver


def test_each_kind_is_found(tmp_path: Path) -> None:
    assert isinstance(select_driver("fake", tmp_path), FakeDriver)
    assert isinstance(select_driver("auto", tmp_path), ProcessDriver)
    assert isinstance(select_driver("process", tmp_path), ProcessDriver)
    assert list(tmp_path.iterdir()) == []


def test_importing_the_package_imports_nothing_else() -> None:
    program = (
        "import sys, kube_lite_runtime; print([m for m in sys.modules if m.startswith('kube_lite_runtime.')])"
    )
    paths = os.pathsep.join(filter(None, sys.path))
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, env={"PYTHONPATH": paths}
    )
    assert ran.stdout == "[]\n"


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="needs root")
@pytest.mark.needs_root
async def test_the_network_is_made_with_the_driver_and_gone_with_it(tmp_path: Path) -> None:
    driver = process_driver(tmp_path / "runtime", network_cidr="10.89.5.0/24", service_cidr="10.89.6.0/24")
    async with driver:
        if not driver.abilities().pod_network:
            pytest.skip(f"needs pod networks: {driver.abilities().reasons['pod_network']}")
        assert driver._network is not None
        interface = Path("/sys/class/net") / driver._network.name
        assert interface.exists()
        await driver.teardown()
    assert not interface.exists()
