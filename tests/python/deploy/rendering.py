"""What is in `deploy/`, rendered by the tools that operators use, and what the product's source says about itself."""

import functools
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[3]
DEPLOY = ROOT / "deploy"
BASE = DEPLOY / "kustomize" / "base"
DEV = DEPLOY / "kustomize" / "overlays" / "dev"

MUTUAL_TLS = DEPLOY / "kustomize" / "overlays" / "mutual-tls"

#: Every folder that somebody may apply.
FOLDERS = (BASE, DEV, MUTUAL_TLS)

#: The oldest version that Kubernetes' own project still mends, and the one that the manifests were written for.
KUBERNETES_VERSIONS = ("1.34.0", "1.35.0")

POD_OWNERS = ("Deployment", "StatefulSet", "DaemonSet", "Job", "CronJob")


@functools.cache
def rendered(folder):
    """All objects of a kustomize folder."""
    text = _output([_kubectl(), "kustomize", str(folder)], "kustomize refuses it")
    return list(yaml.safe_load_all(text))


def of_kind(folder, *kinds):
    return [found for found in rendered(folder) if found["kind"] in kinds]


def named(folder, kind, name):
    (found,) = [found for found in of_kind(folder, kind) if found["metadata"]["name"] == name]
    return found


def pod_template(workload):
    return workload["spec"]["template"]


def containers(folder):
    """`(workload, its only pod spec, container)` of every container."""
    for workload in of_kind(folder, *POD_OWNERS):
        spec = pod_template(workload)["spec"]
        for container in spec.get("initContainers", []) + spec["containers"]:
            yield workload, spec, container


def is_orb(container):
    return container["image"].split(":")[0] == "orb-stream"


def role(container):
    """`gateway`, `scheduler`, `worker` or `up`: the first argument of the image's entry point."""
    return (container.get("args") or container.get("command"))[0]


@functools.cache
def compose(profile, **variables):
    """The services of compose.yaml under a profile, with `env.example` filled in by `variables`."""
    required = {"ORB_API_TOKENS": "api", "ORB_DISCORD_TOKENS": "discord"}
    text = compose_config(profile, required | variables).stdout
    return json.loads(text)


def compose_config(profile, variables):
    """Docker Compose's own reading of compose.yaml: its schema, its merges, its interpolation."""
    inherited = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    program = pathlib.Path(sys.executable).with_name("docker-compose")
    arguments = ["--env-file", DEPLOY / "env.example", "--file", DEPLOY / "compose.yaml", "config", "--format", "json"]
    return subprocess.run(
        [program, *map(str, arguments)],
        env=inherited | variables | {"COMPOSE_PROFILES": profile},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@functools.cache
def known_variables():
    """The variables that orb-config takes, from its source; its own tests keep the tables there true."""
    source = (ROOT / "config" / "src" / "environment.rs").read_text()
    keys = re.search(r"const KEYS: .*? = &\[(.*?)\n\];", source, re.DOTALL).group(1)
    names = {"ORB_CONFIG"}
    for section, listed in re.findall(r'\(\s*"(\w+)",\s*&\[(.*?)\],?\s*\)', keys, re.DOTALL):
        names |= {f"ORB_{section}__{name}".upper() for name in re.findall(r'"(\w+)"', listed)}
    short = re.search(r"const SHORT: .*? = &\[(.*?)\n\];", source, re.DOTALL).group(1)
    names |= set(re.findall(r'\("(ORB_\w+)"', short))
    names |= {f"ORB_TIMING__{name}".upper() for name, _ in _timing()}
    return names


def drain_grace_seconds():
    """From SIGTERM to the end of a process, as it is by default."""
    return int(dict(_timing())["drain_grace"])


def _timing():
    source = (ROOT / "config" / "src" / "timing.rs").read_text()
    return re.findall(r"^    (\w+) = \w+\(([\d_ *]+)\);", source, re.MULTILINE)


def seconds(duration):
    """A duration as Compose prints it: `1m0s`."""
    units = {"h": 3600, "m": 60, "s": 1}
    return sum(int(number) * units[unit] for number, unit in re.findall(r"(\d+)([hms])", duration))


def _kubectl():
    ours = ROOT / "target" / "tools" / "kubectl"
    found = str(ours) if os.access(ours, os.X_OK) else shutil.which("kubectl")
    if not found:
        raise RuntimeError(f"neither {ours} nor a kubectl in PATH; 'make test-deps' installs the first")
    return found


def _output(command, otherwise):
    run = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    if run.returncode != 0:
        raise RuntimeError(f"{otherwise}: {run.stderr}")
    return run.stdout
