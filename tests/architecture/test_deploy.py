"""What `deploy/` holds, as far as it can be tried without a container engine: it is well formed, its commands work."""

from __future__ import annotations

import configparser
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
import yaml
from tests.support.server import gatepass_serve

from gatepass.server.base.settings import IN_FILES, Settings, load
from gatepass.server.domain.keys.master_key import read_master_keys

DEPLOY = Path(__file__).parents[2] / "deploy"
UNITS = sorted((DEPLOY / "systemd").iterdir())


def lines_of(file: Path, word: str) -> list[str]:
    """The instructions of that name, with continued lines joined."""
    joined = file.read_text().replace("\\\n", " ")
    return [line.removeprefix(word).strip() for line in joined.splitlines() if line.startswith(word + " ")]


def unit(file: Path) -> configparser.ConfigParser:
    """A systemd unit."""
    parsed = configparser.ConfigParser(strict=False, interpolation=None, delimiters=("=",))
    parsed.optionxform = str  # type: ignore[assignment,method-assign] # names are spelled with capitals
    parsed.read(file)
    return parsed


def test_the_manifests_of_kubernetes() -> None:
    """They name settings that there are, secrets as files, and probes; and the Service leads to the pods."""
    deployment, service = yaml.safe_load_all((DEPLOY / "kubernetes" / "gatepass.yaml").read_text())
    pod = deployment["spec"]["template"]
    (container,) = pod["spec"]["containers"]
    environment = {each["name"]: each["value"] for each in container["env"]}
    secrets = tuple(name for name in environment if name.endswith("_FILE"))
    names = {name.removeprefix("GATEPASS_").removesuffix("_FILE").lower() for name in environment}
    assert names <= set(Settings.__struct_fields__)
    assert {name.removeprefix("GATEPASS_").removesuffix("_FILE").lower() for name in secrets} <= set(IN_FILES)
    settings = load(environment={name: value for name, value in environment.items() if name not in secrets})
    assert settings.drain_seconds + settings.shutdown_seconds < pod["spec"]["terminationGracePeriodSeconds"]
    assert container["readinessProbe"]["httpGet"]["path"] == "/ready"
    assert container["livenessProbe"]["httpGet"]["path"] == "/health"
    assert service["spec"]["selector"] == pod["metadata"]["labels"]
    assert service["spec"]["ports"][0]["targetPort"] == container["ports"][0]["name"]


def test_what_kubernetes_renders() -> None:
    """Every resource of the folder is rendered; traffic and disruptions find the pods; the stream is not buffered."""
    folder = DEPLOY / "kubernetes"
    if shutil.which("kubectl") is not None:
        command = ["kubectl", "kustomize", str(folder)]
        rendered = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    else:
        names = yaml.safe_load((folder / "kustomization.yaml").read_text())["resources"]
        rendered = "\n---\n".join((folder / name).read_text() for name in names)
    kinds = {each["kind"]: each for each in yaml.safe_load_all(rendered)}
    assert kinds.keys() == {"Deployment", "Service", "Ingress", "PodDisruptionBudget"}
    service, ingress = kinds["Service"], kinds["Ingress"]
    labels = kinds["Deployment"]["spec"]["template"]["metadata"]["labels"]
    assert kinds["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"] == labels
    (rule,) = ingress["spec"]["rules"]
    backend = rule["http"]["paths"][0]["backend"]["service"]
    assert backend == {"name": service["metadata"]["name"], "port": {"name": service["spec"]["ports"][0]["name"]}}
    (container,) = kinds["Deployment"]["spec"]["template"]["spec"]["containers"]
    issuer = next(each["value"] for each in container["env"] if each["name"] == "GATEPASS_ISSUER")
    assert issuer == f"https://{rule['host']}"
    assert ingress["metadata"]["annotations"]["nginx.ingress.kubernetes.io/proxy-buffering"] == "off"


def test_the_image_runs_what_there_is(tmp_path: Path) -> None:
    """The Dockerfile's files exist, nobody is root, and its command serves, behind a proxy as it asks for."""
    dockerfile = DEPLOY / "Dockerfile"
    copied = [word for line in lines_of(dockerfile, "RUN") for word in shlex.split(line) if word.startswith("/src/")]
    assert copied
    assert all((DEPLOY.parent / word.removeprefix("/src/")).exists() for word in copied)
    assert lines_of(dockerfile, "USER") == ["gatepass"]
    assert lines_of(dockerfile, "ENTRYPOINT") == ['["gatepass"]']
    words = [word for word in ("serve", "--host", "0.0.0.0") if word in lines_of(dockerfile, "CMD")[0]]  # noqa: S104 - in a container
    assert len(words) == 3
    (check,) = lines_of(dockerfile, "HEALTHCHECK")
    with gatepass_serve(tmp_path, "--host", "0.0.0.0", "--trusted-proxy", "172.16.0.0/12") as (_, url):  # noqa: S104 - the image's
        port = httpx.URL(url).port
        program = check[check.index("import") : check.rindex('"')].replace(":8000", f":{port}")
        subprocess.run([sys.executable, "-c", program], check=True, timeout=20)


def test_the_compose_file_sets_what_are_settings() -> None:
    """Every GATEPASS_… is a setting; the two nodes are alike, and secrets come from outside."""
    file = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    nodes = [file["services"][name] for name in ("one", "two")]
    assert nodes[0]["environment"] == nodes[1]["environment"]
    for name, value in nodes[0]["environment"].items():
        assert name.removeprefix("GATEPASS_").lower() in Settings.__struct_fields__
        if name in ("GATEPASS_MASTER_KEY", "GATEPASS_DATABASE"):
            assert ":?}" in value
    assert (DEPLOY / nodes[0]["build"]["context"] / nodes[0]["build"]["dockerfile"]).exists()
    assert all(port.startswith("127.0.0.1:") for node in nodes for port in node["ports"])


@pytest.mark.parametrize("page", ["deploy/compose.yaml", "docs/operate/containers.md", "docs/operate/keys.md"])
def test_how_to_make_a_master_key(page: str) -> None:
    """The command that a page or file names makes one that the server takes."""
    text = (DEPLOY.parent / page).read_text()
    (program, *_) = re.findall(r"python3 -c '(import secrets; [^']+)'", text)
    made = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout.strip()
    assert len(read_master_keys(made, Path("/nowhere"))) == 1


@pytest.mark.parametrize("file", UNITS, ids=lambda file: file.name)
def test_units_are_units(file: Path) -> None:
    """Each has its sections, and starts a command of ours with options that it has."""
    parsed = unit(file)
    assert parsed["Unit"]["Description"]
    if file.suffix == ".timer":
        assert (file.with_suffix(".service")).exists()
        return
    words = shlex.split(parsed["Service"]["ExecStart"].replace("%%", "%").replace("$$", "$"))
    command = shlex.split(words[2].removeprefix("exec ")) if words[0] == "/bin/sh" else words
    assert command[0] == "/opt/gatepass/bin/gatepass"
    help_text = subprocess.run(
        [str(Path(sys.executable).with_name("gatepass")), command[1], "--help"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    assert all(word in help_text for word in command if word.startswith("--"))


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd here")
def test_systemd_takes_the_units() -> None:
    """`systemd-analyze verify` has nothing to say but that the program is not installed."""
    files = [str(file) for file in UNITS]
    done = subprocess.run(["systemd-analyze", "verify", *files], capture_output=True, text=True, check=False)
    said = [line for line in done.stderr.splitlines() if "gatepass" in line and "not executable" not in line]
    assert said == []
