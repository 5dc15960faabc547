"""The part of Kustomize that infra/k8s uses, so that its tests need no program but Python."""

import re
from collections.abc import Iterable, Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

from tests.deployment import Document, documents

# By what the members of a list are told apart when a patch is merged into it (the API's patchMergeKey);
# any other list is replaced.
MERGE_KEYS = {
    "containers": "name",
    "env": "name",
    "ports": "containerPort",
    "topologySpreadConstraints": "topologyKey",
    "volumeMounts": "mountPath",
    "volumes": "name",
}
_KNOWN = {
    *("apiVersion", "kind", "namespace", "resources", "labels", "images", "replicas"),
    *("configMapGenerator", "patches"),
}
_CLUSTER_WIDE = {"Namespace"}


def build(folder: Path) -> list[Document]:
    """The resources of a folder's kustomization; names of generated ConfigMaps have no hash here."""
    [spec] = documents(folder / "kustomization.yaml")
    assert set(spec) <= _KNOWN, f"{folder}: {set(spec) - _KNOWN} is not understood here"
    found = [each for entry in spec.get("resources", []) for each in _resources(folder / entry)]
    for generator in spec.get("configMapGenerator", []):
        _generate(found, generator, folder)
    for patch in spec.get("patches", []):
        _patch(found, folder, patch)
    for resource in found:
        _place(resource, spec.get("namespace"))
        for labels in spec.get("labels", []):
            _label(resource, labels)
        for image in spec.get("images", []):
            _name_images(resource, image)
        for count in spec.get("replicas", []):
            if resource["kind"] == "StatefulSet" and resource["metadata"]["name"] == count["name"]:
                resource["spec"]["replicas"] = count["count"]
    return found


def of_kind(resources: Iterable[Document], kind: str) -> dict[str, Document]:
    """The resources of a kind, by name."""
    return {r["metadata"]["name"]: r for r in resources if r["kind"] == kind}


def pod_of(resource: Document) -> Document | None:
    """The pod's specification within a workload."""
    template = resource.get("spec", {}).get("template")
    return None if template is None else template["spec"]


def merged(key: str, value: Any, patch: Any) -> Any:
    """A strategic merge: mappings by key, lists by `MERGE_KEYS`, anything else replaced."""
    if isinstance(value, Mapping) and isinstance(patch, Mapping):
        keys = [*value, *(name for name in patch if name not in value)]
        return {
            name: merged(name, value.get(name), patch[name]) if name in patch else value[name]
            for name in keys
        }
    if isinstance(value, list) and isinstance(patch, list) and key in MERGE_KEYS:
        return _merged_list(value, patch, MERGE_KEYS[key])
    return deepcopy(patch)


def _merged_list(value: list[Document], patch: list[Document], name: str) -> list[Document]:
    patches = {each[name]: each for each in patch}
    known = [merged("", each, patches.pop(each[name], {})) for each in value]
    return [*known, *map(deepcopy, patches.values())]


def _resources(path: Path) -> Iterable[Document]:
    return build(path) if path.is_dir() else documents(path)


def _generate(found: list[Document], generator: Document, folder: Path) -> None:
    data = dict(literal.split("=", 1) for literal in generator.get("literals", []))
    for entry in generator.get("files", []):
        name, _, path = entry.rpartition("=")
        data[name or entry] = (folder / path).read_text(encoding="utf-8")
    if generator.get("behavior") == "merge":
        [known] = [r for r in found if _is(r, "ConfigMap", generator["name"])]
        known["data"] |= data
        return
    metadata = {"name": generator["name"]}
    found.append({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data})


def _patch(found: list[Document], folder: Path, patch: Document) -> None:
    [change] = documents(folder / patch["path"])
    target = patch.get("target") or {"kind": change["kind"], "name": change["metadata"]["name"]}
    chosen = [n for n, r in enumerate(found) if _is(r, target["kind"], target.get("name", ".*"))]
    assert chosen, f"{folder / patch['path']} patches nothing"
    identity = ("apiVersion", "kind")
    change = {name: value for name, value in change.items() if name not in identity}
    change["metadata"] = {n: v for n, v in change["metadata"].items() if n != "name"}
    for n in chosen:
        found[n] = merged("", found[n], change)


def _is(resource: Document, kind: str, name: str) -> bool:
    named = resource["metadata"]["name"]
    return bool(re.fullmatch(kind, resource["kind"]) and re.fullmatch(name, named))


def _place(resource: Document, namespace: str | None) -> None:
    if namespace and resource["kind"] not in _CLUSTER_WIDE:
        resource["metadata"]["namespace"] = namespace


def _label(resource: Document, labels: Document) -> None:
    places = [resource["metadata"]]
    if labels.get("includeTemplates") and "template" in resource.get("spec", {}):
        spec = resource["spec"]
        templates = [spec["template"], *spec.get("volumeClaimTemplates", [])]
        places += [template.setdefault("metadata", {}) for template in templates]
    for place in places:
        place["labels"] = {**place.get("labels", {}), **labels["pairs"]}


def _name_images(resource: Document, image: Document) -> None:
    for container in (pod_of(resource) or {}).get("containers", []):
        name = container["image"].partition(":")[0]
        if name == image["name"]:
            container["image"] = f"{image.get('newName', name)}:{image['newTag']}"
