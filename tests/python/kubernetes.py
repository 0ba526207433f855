"""Reads deploy/kubernetes.yaml: each field is one that Kubernetes has there, names that belong together are the same, and the program takes
the arguments. The fields are those of the API's reference, as far as the file uses them.

Usage: kubernetes.py FILE DIAFLIGHT
"""
import re
import subprocess
import sys

import yaml

FILE, DIAFLIGHT = sys.argv[1:]
ANY = object()  # a value, or members that users name themselves

PROBE = {"httpGet": {"path": ANY, "port": ANY}, "periodSeconds": ANY, "timeoutSeconds": ANY, "failureThreshold": ANY}
CONTAINER = {
    "name": ANY, "image": ANY, "args": ANY, "env": [{"name": ANY, "value": ANY}], "ports": [{"name": ANY, "containerPort": ANY}],
    "startupProbe": PROBE, "livenessProbe": PROBE, "readinessProbe": PROBE,
    "resources": {"requests": {"cpu": ANY, "memory": ANY}, "limits": {"memory": ANY}},
    "securityContext": {"allowPrivilegeEscalation": ANY, "readOnlyRootFilesystem": ANY, "capabilities": {"drop": ANY}},
    "volumeMounts": [{"name": ANY, "mountPath": ANY, "readOnly": ANY}],
}
SELECTOR = {"matchLabels": ANY}
POD = {
    "serviceAccountName": ANY, "enableServiceLinks": ANY, "terminationGracePeriodSeconds": ANY,
    "securityContext": {"runAsNonRoot": ANY, "runAsUser": ANY, "runAsGroup": ANY, "fsGroup": ANY, "seccompProfile": {"type": ANY}},
    "topologySpreadConstraints": [{"maxSkew": ANY, "topologyKey": ANY, "whenUnsatisfiable": ANY, "labelSelector": SELECTOR}],
    "containers": [CONTAINER],
    "volumes": [{"name": ANY, "secret": {"secretName": ANY, "defaultMode": ANY}, "emptyDir": {"sizeLimit": ANY}}],
}
TEMPLATE = {"metadata": {"labels": ANY}, "spec": POD}
SPECS = {
    "diaflight/Deployment": {
        "replicas": ANY, "selector": SELECTOR, "strategy": {"rollingUpdate": {"maxUnavailable": ANY, "maxSurge": ANY}}, "template": TEMPLATE,
    },
    "diaflight/Service": {"selector": ANY, "ports": [{"name": ANY, "port": ANY, "targetPort": ANY}]},
    "diaflight/PodDisruptionBudget": {"minAvailable": ANY, "selector": SELECTOR},
    "diaflight-maintenance/Deployment": {"replicas": ANY, "selector": SELECTOR, "template": TEMPLATE},
}
VERSIONS = {"Deployment": "apps/v1", "Service": "v1", "PodDisruptionBudget": "policy/v1"}
DRAIN_LIMIT_S = 8  # the default of --drain-limit-ms


def known(value, fields, place):
    """Fails at a field that is not in `fields`."""
    if isinstance(fields, list):
        for number, item in enumerate(value):
            known(item, fields[0], f"{place}[{number}]")
    elif isinstance(fields, dict):
        for name, inner in value.items():
            assert name in fields, f"{place}.{name} is no field"
            known(inner, fields[name], f"{place}.{name}")


def pod(spec, place):
    """What holds for each pod."""
    assert spec["enableServiceLinks"] is False, f"{place}: the service's variables are taken for settings"
    volumes = {volume["name"] for volume in spec["volumes"]}
    for container in spec["containers"]:
        security = container["securityContext"]
        assert security["readOnlyRootFilesystem"] and security["capabilities"]["drop"] == ["ALL"], place
        assert {mount["name"] for mount in container["volumeMounts"]} <= volumes, place
        assert re.fullmatch(r".+:\d+\.\d+\.\d+", container["image"]), f"{place}: a version that moves"
        assert all(isinstance(variable["value"], str) for variable in container["env"]), f"{place}: a variable is a text"
        subprocess.run([DIAFLIGHT, *container["args"], "--help"], check=True, stdout=subprocess.DEVNULL)


def main():
    with open(FILE) as file:
        objects = {f"{made['metadata']['name']}/{made['kind']}": made for made in yaml.safe_load_all(file)}
    assert len(objects) == len(SPECS), list(objects)
    for name, fields in SPECS.items():
        made = objects[name]
        assert made["apiVersion"] == VERSIONS[made["kind"]], made["apiVersion"]
        known(made, {"apiVersion": ANY, "kind": ANY, "metadata": {"name": ANY, "labels": ANY}, "spec": fields}, name)
    deployment, service, budget, maintenance = (objects[name]["spec"] for name in SPECS)
    labels = deployment["template"]["metadata"]["labels"]
    assert labels == deployment["selector"]["matchLabels"] == service["selector"] == budget["selector"]["matchLabels"]
    serving = deployment["template"]["spec"]
    pod(serving, "Deployment")
    maintaining = maintenance["template"]["metadata"]["labels"]
    assert maintaining == maintenance["selector"]["matchLabels"] != labels, "the service would send requests to it"
    pod(maintenance["template"]["spec"], "maintenance")
    (server,) = serving["containers"]
    (port,) = server["ports"]
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        assert server[probe]["httpGet"]["port"] == port["name"], probe
    assert service["ports"][0]["targetPort"] == port["name"]
    listen = next(variable["value"] for variable in server["env"] if variable["name"] == "DIAFLIGHT_LISTEN")
    assert listen == f"0.0.0.0:{port['containerPort']}", listen
    delay_ms = next(variable["value"] for variable in server["env"] if variable["name"] == "DIAFLIGHT_DRAIN_DELAY_MS")
    stop_s = int(delay_ms) / 1000 + DRAIN_LIMIT_S
    assert serving["terminationGracePeriodSeconds"] > stop_s, "running answers are killed"


main()
