"""What the chart installs, as the real Helm renders it."""

from pathlib import Path

import kubernetes_validate
import pytest

from tests.charts.helm import CHART, MINIMAL, Manifest, helm, template

KUBERNETES_VERSIONS = ("1.31", "1.34", "1.37")
VALUES_FILES = sorted(CHART.glob("values-*.yaml"))
EVERYTHING_ON = (
    "replicaCount=3",
    "podDisruptionBudget.enabled=true",
    'networkPolicy.from=[{"podSelector":{"matchLabels":{"app":"shop"}}}]',
    'image.pullSecrets=["registry"]',
    'release.subPath="drawn-shop/0.1.0"',
    'service.type="LoadBalancer"',
    'service.annotations={"a":"b"}',
    'serviceAccount.annotations={"a":"b"}',
    'podLabels={"team":"search"}',
    'podAnnotations={"a":"b"}',
    'priorityClassName="high"',
    'runtimeClassName="nvidia"',
    'resources.limits.cpu="4"',
    "gpu.count=2",
    'nodeSelector={"zone":"a"}',
    'tolerations=[{"key":"spot","operator":"Exists"}]',
    'affinity={"podAntiAffinity":{"preferredDuringSchedulingIgnoredDuringExecution":[{"weight":1,'
    '"podAffinityTerm":{"topologyKey":"kubernetes.io/hostname"}}]}}',
)


def _pod(manifests: dict[str, Manifest]) -> Manifest:
    pod: Manifest = manifests["Deployment"]["spec"]["template"]["spec"]
    return pod


def _container(manifests: dict[str, Manifest]) -> Manifest:
    container: Manifest
    (container,) = _pod(manifests)["containers"]
    return container


@pytest.mark.parametrize("values", [None, *VALUES_FILES], ids=lambda path: path.name if path else "defaults")
def test_the_chart_passes_the_strict_lint(values: Path | None) -> None:
    extra = [f"--values={values}"] if values else []
    helm("lint", "--strict", CHART, f"--values={MINIMAL}", *extra)


@pytest.mark.parametrize("version", KUBERNETES_VERSIONS)
def test_every_manifest_is_valid_for_kubernetes(version: str) -> None:
    variants = [template(), template(settings=EVERYTHING_ON), *(template(values) for values in VALUES_FILES)]
    for manifests in variants:
        for manifest in manifests.values():
            kubernetes_validate.validate(dict(manifest), version, strict=True)


def test_the_chart_packages_without_what_only_its_tests_need(tmp_path: Path) -> None:
    helm("package", CHART, "--destination", tmp_path)
    (package,) = tmp_path.glob("*.tgz")
    assert helm("show", "chart", package) == helm("show", "chart", CHART)
    helm("template", "shop", package, f"--values={MINIMAL}")


@pytest.mark.parametrize("values", [None, *VALUES_FILES], ids=lambda path: path.name if path else "defaults")
def test_pods_pass_the_security_level_restricted(values: Path | None) -> None:
    manifests = template(*([values] if values else []))
    pod, container = _pod(manifests), _container(manifests)
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] > 0
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert {kind for volume in pod["volumes"] for kind in volume} == {"name", "persistentVolumeClaim", "emptyDir"}
    assert not any(key in pod for key in ("hostNetwork", "hostPID", "hostIPC"))
    assert not any("hostPort" in port for port in container["ports"])


def test_no_pod_gets_a_token_of_the_cluster() -> None:
    manifests = template()
    assert _pod(manifests)["automountServiceAccountToken"] is False
    assert manifests["ServiceAccount"]["automountServiceAccountToken"] is False


def test_an_image_is_named_by_its_digest() -> None:
    assert _container(template())["image"].rpartition("@")[2].startswith("sha256:")
    by_tag = template(settings=['image.digest=""', 'image.tag="0.1.0"'])
    assert _container(by_tag)["image"].endswith("/facetry-serve:0.1.0")


def test_the_release_is_mounted_read_only_from_its_folder() -> None:
    manifests = template(settings=['release.subPath="drawn-shop/0.1.0"'])
    mounts = {mount["name"]: mount for mount in _container(manifests)["volumeMounts"]}
    assert mounts["release"] == {
        "name": "release",
        "mountPath": "/release",
        "subPath": "drawn-shop/0.1.0",
        "readOnly": True,
    }
    assert _container(manifests)["args"][:2] == ["serve", "/release"]


def test_shared_memory_is_memory_of_the_size_in_values() -> None:
    manifests = template(settings=['sharedMemory.sizeLimit="512Mi"'])
    volumes = {volume["name"]: volume for volume in _pod(manifests)["volumes"]}
    assert volumes["shared-memory"]["emptyDir"] == {"medium": "Memory", "sizeLimit": "512Mi"}


def test_the_server_gets_as_long_to_start_as_its_startup_probe_waits() -> None:
    container = _container(template(settings=["startup.timeoutSeconds=900"]))
    probe = container["startupProbe"]
    assert probe["periodSeconds"] * probe["failureThreshold"] == 900
    assert "serve.ready_timeout_seconds=900" in container["args"]


def test_a_server_asks_for_the_accelerators_in_values_and_for_none_by_default() -> None:
    assert set(_container(template())["resources"]["limits"]) == {"memory"}
    sliced = template(settings=["gpu.count=1", 'gpu.resourceName="nvidia.com/mig-3g.40gb"'])
    assert _container(sliced)["resources"]["limits"]["nvidia.com/mig-3g.40gb"] == 1


def test_the_network_policy_lets_in_three_ports_and_nothing_out() -> None:
    spec = template()["NetworkPolicy"]["spec"]
    (rule,) = spec["ingress"]
    assert {port["port"] for port in rule["ports"]} == {"http", "grpc", "metrics"}
    assert "Egress" in spec["policyTypes"]
    assert "egress" not in spec
    assert "NetworkPolicy" not in template(settings=["networkPolicy.enabled=false"])


def test_the_service_and_the_budget_select_the_pods_of_the_deployment() -> None:
    manifests = template(settings=EVERYTHING_ON)
    labels = manifests["Deployment"]["spec"]["template"]["metadata"]["labels"].items()
    assert manifests["Service"]["spec"]["selector"].items() <= labels
    assert manifests["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"].items() <= labels
    assert manifests["NetworkPolicy"]["spec"]["podSelector"]["matchLabels"].items() <= labels


def test_large_users_of_openshift_are_written_as_whole_numbers() -> None:
    pod = _pod(template(settings=["security.runAsUser=1000680000", "security.fsGroup=null"]))
    assert pod["securityContext"]["runAsUser"] == 1000680000
    assert "fsGroup" not in pod["securityContext"]


def test_the_notes_name_what_was_installed() -> None:
    notes = helm("install", "shop", CHART, "--dry-run=client", "--namespace=search", f"--values={MINIMAL}")
    assert "kubectl --namespace search rollout status deployment/shop-facetry-serving" in notes
    assert "facetry predict 127.0.0.1:8000" in notes
