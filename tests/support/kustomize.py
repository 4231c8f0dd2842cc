"""What `kubectl kustomize` makes of a directory, as far as deploy/kubernetes uses it.

In: a directory with a kustomization. Out: the resources as they would be applied. For machines
without kubectl; where it is, a test holds the two against each other. Known are resources,
components, namespace, images, and patches: whole ones by path, and lists of operations in place.
"""

from copy import deepcopy
from pathlib import Path
from typing import Any, Final

import yaml

Resource = dict[str, Any]
KNOWN: Final = frozenset(
    {"apiVersion", "kind", "resources", "components", "namespace", "images", "patches"}
)
CLUSTER_WIDE: Final = frozenset({"Namespace"})


def documents(path: Path) -> list[Resource]:
    """The documents of a file."""
    return [each for each in yaml.safe_load_all(path.read_text()) if each]


def kustomization(directory: Path) -> Resource:
    """Of a directory. Raises AssertionError for what is not known here."""
    (found,) = documents(directory / "kustomization.yaml")
    assert found.keys() <= KNOWN, f"{directory}: {found.keys() - KNOWN}"
    return found


def build(directory: Path) -> list[Resource]:
    """Everything that the directory's kustomization comes to."""
    return _built(directory, [])


def _built(directory: Path, resources: list[Resource]) -> list[Resource]:
    """With what was there before: a component changes the resources of whoever names it."""
    own = kustomization(directory)
    for name in own.get("resources", ()):
        path = directory / name
        resources = resources + (build(path) if path.is_dir() else documents(path))
    for name in own.get("components", ()):
        resources = _built(directory / name, resources)
    for patch in own.get("patches", ()):
        _patch(resources, patch, directory)
    for resource in resources:
        if "namespace" in own and resource["kind"] not in CLUSTER_WIDE:
            resource["metadata"]["namespace"] = own["namespace"]
        for image in own.get("images", ()):
            _name_image(resource, image)
    return resources


def _patch(resources: list[Resource], patch: Resource, directory: Path) -> None:
    if "path" in patch:
        (changed,) = documents(directory / patch["path"])
        target = _found(resources, changed["kind"], changed["metadata"]["name"])
        merged = _merged(target, changed)
        target.clear()
        target.update(merged)
        return
    target = _found(resources, patch["target"]["kind"], patch["target"]["name"])
    for operation in yaml.safe_load(patch["patch"]):
        assert operation["op"] == "remove", operation
        *way, last = operation["path"].strip("/").split("/")
        inner = target
        for key in way:
            inner = inner[key]
        del inner[last]


def _found(resources: list[Resource], kind: str, name: str) -> Resource:
    (found,) = (
        each for each in resources if each["kind"] == kind and each["metadata"]["name"] == name
    )
    return found


def _merged(below: Any, above: Any) -> Any:
    """Maps by key, lists of named things by name, all else replaced."""
    if isinstance(below, dict) and isinstance(above, dict):
        both = below | above
        shared = below.keys() & above.keys()
        return {
            key: _merged(below[key], above[key]) if key in shared else deepcopy(value)
            for key, value in both.items()
        }
    if isinstance(below, list) and isinstance(above, list) and _are_named(below + above):
        changes = {each["name"]: each for each in above}
        kept = [_merged(each, changes.pop(each["name"], {})) for each in below]
        return kept + list(changes.values())
    return deepcopy(above)


def _are_named(things: list[Any]) -> bool:
    return all(isinstance(each, dict) and "name" in each for each in things)


def _name_image(node: Any, image: Resource) -> None:
    if isinstance(node, list):
        for each in node:
            _name_image(each, image)
    elif isinstance(node, dict):
        for key, value in node.items():
            if key == "image" and str(value).partition(":")[0] == image["name"]:
                node[key] = f"{image['newName']}:{image['newTag']}"
            else:
                _name_image(value, image)
