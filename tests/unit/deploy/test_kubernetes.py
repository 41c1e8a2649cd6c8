"""The manifests: strictly as the API's types have it, and what they name is there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes import client

from tidemark import config

pytestmark = pytest.mark.unit

FOLDER = Path(__file__).parents[3] / "deploy" / "kubernetes"
SHARED = {"apps/v1": "V1", "v1": "V1", "batch/v1": "V1", "policy/v1": "V1"}
FOREIGN = {"keda.sh/v1alpha1", "monitoring.coreos.com/v1", "kustomize.config.k8s.io/v1beta1"}
"""Kinds of others, whose types are not in the client: only their names are looked at."""


def _documents() -> Iterator[tuple[str, Any]]:
    for file in sorted(FOLDER.glob("*.yaml")):
        for document in yaml.safe_load_all(file.read_text(encoding="utf-8")):
            yield file.name, document


def check(value: Any, kind: str, where: str) -> None:
    """Compares with the client's types, which are made from the API's own description: every key has to exist, every
    value has to be of its kind, and what is required has to be there."""
    if listed := re.fullmatch(r"[lL]ist\[(.+)\]", kind):
        assert isinstance(value, list), f"{where}: {value!r} is no list"
        for number, entry in enumerate(value):
            check(entry, listed[1], f"{where}[{number}]")
    elif mapped := re.fullmatch(r"[dD]ict[\[(](\w+), (.+)[\])]", kind):
        assert isinstance(value, dict), f"{where}: {value!r} is no mapping"
        for key, entry in value.items():
            check(entry, mapped[2], f"{where}.{key}")
    elif kind in {"str", "int", "bool"}:
        assert type(value).__name__ == kind, f"{where}: {value!r} is no {kind}"
    elif kind in {"object", "datetime", "float"}:
        return
    else:
        _check_model(value, getattr(client, kind), where)


def _check_model(value: Any, model: Any, where: str) -> None:
    assert isinstance(value, dict), f"{where}: {value!r} is no {model.__name__}"
    names = {key: name for name, key in model.attribute_map.items()}
    for key, entry in value.items():
        assert key in names, f"{where}: {model.__name__} has no {key}"
        check(entry, model.openapi_types[names[key]], f"{where}.{key}")
    settings = client.Configuration()
    settings.client_side_validation = True
    model(local_vars_configuration=settings, **{names[key]: entry for key, entry in value.items()})  # what is required


@pytest.mark.parametrize(
    ("file", "document"), list(_documents()), ids=lambda value: value if isinstance(value, str) else value["kind"]
)
def test_a_manifest_is_what_the_api_knows(file: str, document: Any) -> None:
    if document["apiVersion"] in FOREIGN:
        assert document["kind"] in {"ScaledObject", "TriggerAuthentication", "ServiceMonitor", "Kustomization"}
        return
    check(document, SHARED[document["apiVersion"]] + document["kind"], file)


def test_the_check_itself_finds_what_is_wrong() -> None:
    pod = {"apiVersion": "v1", "kind": "Pod", "spec": {"containers": [{"name": "a", "image": "b"}]}}
    check(pod, "V1Pod", "pod")
    mistakes: tuple[dict[str, Any], ...] = (
        {"replica": 1},
        {"restartPolicy": 1},
        {"containers": {}},
        {"containers": [{"image": "b"}]},
    )
    for wrong in mistakes:
        with pytest.raises((AssertionError, ValueError)):
            check(pod | {"spec": pod["spec"] | wrong}, "V1Pod", "pod")  # type: ignore[operator]


def _pods() -> Iterator[tuple[str, Any]]:
    for file, document in _documents():
        spec = document.get("spec", {})
        spec = spec.get("jobTemplate", {}).get("spec", spec)
        if "template" in spec:
            yield file, spec["template"]


def test_pods_are_locked_down_and_mount_what_they_have() -> None:
    pods = list(_pods())
    assert len(pods) == 6
    for file, pod in pods:
        spec = pod["spec"]
        assert spec["securityContext"]["runAsNonRoot"] is True, file
        assert spec["automountServiceAccountToken"] is False, file
        volumes = {volume["name"] for volume in spec["volumes"]} | ({"scratch"} if file == "nodes.yaml" else set())
        for container in (*spec["initContainers"], *spec["containers"]):
            assert container["securityContext"]["readOnlyRootFilesystem"] is True, file
            assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}, file
            assert container["resources"]["limits"]["memory"], file
            assert {mount["name"] for mount in container["volumeMounts"]} <= volumes, file


def test_selectors_choose_the_pods_that_are_meant_and_ports_have_the_names() -> None:
    labels = {pod["metadata"]["labels"]["app.kubernetes.io/component"]: pod for _, pod in _pods()}
    for file, document in _documents():
        match document["kind"]:
            case "Service" | "PodDisruptionBudget":
                selector = document["spec"]["selector"]
                chosen = selector.get("matchLabels", selector)["app.kubernetes.io/component"]
                assert chosen in labels, file
                ports = [p["name"] for c in labels[chosen]["spec"]["containers"] for p in c.get("ports", [])]
                for port in document["spec"].get("ports", []):
                    assert port["targetPort"] in ports, file
            case "Deployment" | "StatefulSet":
                spec = document["spec"]
                assert spec["selector"]["matchLabels"] == spec["template"]["metadata"]["labels"], file


def test_kustomization_lists_files_that_are_there_and_the_configuration_is_valid() -> None:
    listed = yaml.safe_load((FOLDER / "kustomization.yaml").read_text(encoding="utf-8"))
    for name in (*listed["resources"], *listed["configMapGenerator"][0]["files"]):
        assert (FOLDER / name).exists()
    settings = config.load(FOLDER / "tidemark.toml")
    for _, pod in _pods():
        copied = {Path(argument).name for argument in pod["spec"]["initContainers"][0]["args"]}
        assert {settings.repository.key_file.name, settings.shard[0].password_file.name} <= copied  # type: ignore[union-attr]


def test_autoscaling_watches_the_lists_that_the_broker_keeps() -> None:
    from tidemark.fleet.queues import PRIORITIES

    scaled = next(document for _, document in _documents() if document["kind"] == "ScaledObject")
    watched = {trigger["metadata"]["listName"] for trigger in scaled["spec"]["triggers"]}
    assert watched <= {f"backup{priority}" for priority in PRIORITIES}
    assert len(watched) == 2
