"""What `import synkin` loads."""

import subprocess
import sys

LISTED = "import sys, {}; print(*(m for m in sys.modules if m.partition('.')[0] in {}))"
HEAVY = ("scipy", "matplotlib", "h5py", "saiunit", "brainstate", "jaxley")


def loaded(module: str) -> set[str]:
    command = [sys.executable, "-c", LISTED.format(module, HEAVY)]
    return set(subprocess.run(command, capture_output=True, check=True, text=True).stdout.split())


def test_heavy_packages_are_imported_when_they_are_used():
    """`import synkin` loads none of them but those that JAX itself loads."""
    assert not loaded("synkin") - loaded("jax")
