"""The DaemonSet: does Kubernetes understand it, and does it ask for what it needs and nothing more?"""

from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from tcpwatch import flags
from tcpwatch.kernel import privileges
from tcpwatch.serve.address import resolve
from tcpwatch.serve.site import HEALTHY, READY

MANIFEST = Path(__file__).parents[2] / "deploy" / "daemonset.yaml"
VERSIONS = ("1.30", "1.34")  # appArmorProfile came with 1.30


@pytest.fixture
def manifests() -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(MANIFEST.read_text()))


@pytest.fixture
def pod(manifests: list[dict[str, Any]]) -> dict[str, Any]:
    (daemonset,) = (one for one in manifests if one["kind"] == "DaemonSet")
    template: dict[str, Any] = daemonset["spec"]["template"]
    return template


@pytest.fixture
def container(pod: dict[str, Any]) -> dict[str, Any]:
    (only,) = pod["spec"]["containers"]
    return dict(only)


@pytest.mark.parametrize("version", VERSIONS)
def test_kubernetes_understands_it(manifests: list[dict[str, Any]], version: str) -> None:
    """By its own schema: no unknown field, no value of a wrong type, nothing missing."""
    assert [one["kind"] for one in manifests] == ["Namespace", "DaemonSet"]
    for manifest in manifests:
        kubernetes_validate.validate(manifest, version, strict=True)


def test_the_selector_selects_its_pods(manifests: list[dict[str, Any]], pod: dict[str, Any]) -> None:
    """In the namespace that is made for them."""
    namespace, daemonset = manifests
    assert daemonset["metadata"]["namespace"] == namespace["metadata"]["name"]
    wanted = daemonset["spec"]["selector"]["matchLabels"].items()
    assert wanted <= pod["metadata"]["labels"].items()


def test_capabilities(container: dict[str, Any]) -> None:
    """All are dropped, and those added are ones that `doctor` explains; nothing else is opened."""
    security = container["securityContext"]
    assert security["capabilities"]["drop"] == ["ALL"]
    added = {f"CAP_{name}" for name in security["capabilities"]["add"]}
    assert set(privileges.NEEDED) <= added <= privileges.GAINS.keys()
    assert security["readOnlyRootFilesystem"]
    assert not security["privileged"]
    assert all(mount["readOnly"] for mount in container["volumeMounts"])


def test_flags_are_flags_and_probes_find_it(pod: dict[str, Any], container: dict[str, Any]) -> None:
    """The arguments are understood; probes, port and annotations mean the address that they make it listen on."""
    options = flags.parse(container["args"])
    assert options.command == "serve"
    (listening,) = map(resolve, options.listen)
    assert listening.exposed <= options.insecure
    (port,) = container["ports"]
    assert listening.place[1] == port["containerPort"] == port["hostPort"]
    told = pod["metadata"]["annotations"]
    assert (told["prometheus.io/port"], told["prometheus.io/path"]) == (str(port["containerPort"]), options.path)
    for probe, path in (("livenessProbe", HEALTHY), ("readinessProbe", READY)):
        assert container[probe]["httpGet"] == {"path": path, "port": port["name"]}
