"""The files of `deploy/`, as far as they can be checked without a container engine: everything that they name must exist."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

REPOSITORY = Path(__file__).resolve().parents[2]
DEPLOY = REPOSITORY / "deploy"
COMPOSE = DEPLOY / "compose.yaml"
INSTRUCTIONS = {
    "ARG",
    "CMD",
    "COPY",
    "ENTRYPOINT",
    "ENV",
    "EXPOSE",
    "FROM",
    "HEALTHCHECK",
    "LABEL",
    "RUN",
    "SHELL",
    "STOPSIGNAL",
    "USER",
    "VOLUME",
    "WORKDIR",
}
#: Of the compose specification, for the keys that we use: what each value must be.
SERVICE_KEYS = {
    "build": dict,
    "cap_drop": list,
    "command": list,
    "depends_on": dict,
    "env_file": list,
    "environment": dict,
    "healthcheck": dict,
    "image": str,
    "init": bool,
    "ports": list,
    "read_only": bool,
    "restart": str,
    "security_opt": list,
    "stop_grace_period": str,
    "tmpfs": list,
    "volumes": list,
}


def compose() -> dict[str, Any]:
    return yaml.safe_load(COMPOSE.read_text(encoding="utf-8"))


def dockerfile() -> list[tuple[str, str]]:
    """Instructions of the Dockerfile with their arguments, continued lines joined, comments left out."""
    lines = [line for line in (DEPLOY / "Dockerfile").read_text(encoding="utf-8").splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n", " ", "\n".join(lines))
    return [(line.split(None, 1)[0], line.split(None, 1)[1].strip()) for line in joined.splitlines() if line.strip()]


def env_file(path: Path) -> dict[str, str]:
    lines = [line for line in path.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]
    return dict(line.split("=", 1) for line in lines)


def test_every_instruction_of_the_dockerfile_is_one():
    assert {name for name, _rest in dockerfile()} <= INSTRUCTIONS
    assert [name for name, _rest in dockerfile()].count("FROM") == 2, "one stage builds, the other runs"


def test_what_the_image_copies_is_in_the_repository_and_in_its_build_context():
    """A file that .dockerignore leaves out fails the build an hour after it was merged."""
    allowed = [line[1:] for line in (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines() if line.startswith("!")]
    for name, rest in dockerfile():
        if name != "COPY" or "--from=" in rest:
            continue
        *sources, _target = [part for part in rest.split() if not part.startswith("--")]
        for source in sources:
            assert (REPOSITORY / source).exists(), source
            assert any(source == entry or source.startswith(f"{entry}/") for entry in allowed), f"{source} is not in the build context"


def test_the_image_runs_without_root_and_names_no_registry():
    *_, user = [rest for name, rest in dockerfile() if name == "USER"]
    assert user.split(":")[0] not in ("root", "0")
    text = "\n".join(path.read_text(encoding="utf-8") for path in (DEPLOY / "Dockerfile", COMPOSE))
    assert not re.search(r"https?://(?!127\.0\.0\.1)", text)
    assert not re.search(r"^FROM .*\.\w+/", text, re.MULTILINE)


def test_the_image_installs_what_the_constraints_pin_and_compiles_it():
    installs = [rest for name, rest in dockerfile() if name == "RUN" and re.search(r"-m pip .*\binstall\b", rest)]
    assert len(installs) == 3
    assert all("-c constraints.txt" in rest or "--no-deps" in rest for rest in installs)
    production = [rest for rest in installs if "--python /opt/vimotion/bin/python" in rest]
    assert len(production) == 2 and all("--compile" in rest for rest in production)


def test_an_index_of_ones_own_reaches_pip_and_no_layer():
    """Docker hands a build argument only to a stage that declares it; a password goes in as a mounted file, which no layer keeps."""
    names = [name for name, _rest in dockerfile()]
    build, final = dockerfile()[: names.index("FROM", 2)], dockerfile()[names.index("FROM", 2) :]
    assert {"PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL"} <= {rest for name, rest in build if name == "ARG"}
    fetching = [rest for name, rest in build if name == "RUN" and " -c constraints.txt" in rest]
    assert fetching and all(rest.startswith("--mount=type=secret,id=pip.conf,") for rest in fetching)
    assert not any("PIP_" in rest or "secret" in rest for _name, rest in final)


def test_the_image_needs_no_database_and_the_deployments_name_the_instance_folder():
    """`docker run ... vimotion audit` alone keeps its runs under VIMOTION_HOME; with /opt/dagster it would ask for PostgreSQL."""
    final = " ".join(rest for name, rest in dockerfile() if name in ("ENV", "COPY", "RUN"))
    assert "DAGSTER_HOME" not in final
    assert "chown" not in next(rest for name, rest in dockerfile() if rest.endswith("/opt/dagster/")), "root's, as all that the image runs"
    services = {name: service for name, service in compose()["services"].items() if name != "postgres"}
    assert all(service["environment"]["DAGSTER_HOME"] == "/opt/dagster" for service in services.values())
    assert env_file(DEPLOY / "kubernetes" / "settings.env")["DAGSTER_HOME"] == "/opt/dagster"


def test_the_trial_runs_the_same_code_location_beside_the_emulators():
    """`compose.sandbox.yaml` may add the sandbox and nothing else."""
    trial = yaml.safe_load((DEPLOY / "compose.sandbox.yaml").read_text(encoding="utf-8"))["services"]
    services = compose()["services"]
    assert set(trial) == {name for name in services if name != "postgres"}
    assert trial["code"].pop("command") == ["vimotion", "sandbox", "up", "--", *services["code"]["command"]]
    assert all(list(service) == ["environment"] and service["environment"]["VIMOTION_PORTFOLIO"] == "" for service in trial.values())


def test_postgresql_is_healthy_only_when_it_takes_connections_from_other_containers():
    """The image's server that fills an empty volume listens on the socket alone, and is stopped again: healthy there is too soon."""
    assert "--host=127.0.0.1" in compose()["services"]["postgres"]["healthcheck"]["test"][1]


def test_the_requirements_of_the_image_are_those_of_the_distribution():
    command = [sys.executable, str(DEPLOY / "requirements.py"), str(REPOSITORY / "pyproject.toml"), "production", "kubernetes"]
    lines = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout.splitlines()
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    assert set(project["dependencies"]) < set(lines)
    assert any(line.startswith("dagster-postgres") for line in lines) and any(line.startswith("dagster-k8s") for line in lines)
    pinned = {line.split("==")[0] for line in (REPOSITORY / "constraints.txt").read_text().splitlines()}
    names = {re.split(r"[\[<>=;~ ]", line, maxsplit=1)[0].lower() for line in lines}
    assert names <= pinned


def test_every_service_has_the_keys_and_the_names_that_compose_knows():
    found = compose()
    assert set(found) == {"name", "x-image", "services", "volumes"}
    assert {"postgres", "code", "webserver", "daemon", "inbox"} == set(found["services"])
    for name, service in found["services"].items():
        for key, value in service.items():
            assert isinstance(value, SERVICE_KEYS[key]), f"{name}.{key}"
        for other, wanted in service.get("depends_on", {}).items():
            assert wanted["condition"] == "service_healthy" and "healthcheck" in found["services"][other]
        for volume in service["volumes"]:
            source = volume.split(":")[0]
            assert source in found["volumes"] or (DEPLOY / source).exists(), volume
        assert service["healthcheck"]["test"][0] in ("CMD", "CMD-SHELL")


def test_only_dagster_and_the_inbox_are_published_and_only_on_this_machine():
    published = {name: service["ports"] for name, service in compose()["services"].items() if "ports" in service}
    assert set(published) == {"webserver", "inbox"}
    assert all(port.startswith("127.0.0.1:") for ports in published.values() for port in ports)


@pytest.mark.skipif(shutil.which("docker") is None, reason="no docker command here")
def test_docker_compose_takes_the_file(tmp_path):
    """Asks the real parser where the compose plugin is installed; it needs no engine."""
    if subprocess.run(["docker", "compose", "version"], capture_output=True, timeout=60).returncode:
        pytest.skip("docker has no compose plugin here")
    folder = tmp_path / "deploy"
    shutil.copytree(DEPLOY, folder)
    shutil.copy(folder / "secrets.env.example", folder / "secrets.env")
    for names in (["compose.yaml"], ["compose.yaml", "compose.sandbox.yaml"]):
        files = [word for name in names for word in ("-f", str(folder / name))]
        done = subprocess.run(["docker", "compose", *files, "config", "--quiet"], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0 and not done.stderr, done.stderr


def test_the_example_of_the_secrets_names_settings_that_exist_and_one_password():
    from vim_pipelines.settings import Settings, environment_variable

    found = env_file(DEPLOY / "secrets.env.example")
    known = {environment_variable(name) for name in Settings.model_fields}
    assert {name for name in found if name.startswith("VIMOTION_")} <= known
    for name in ("DAGSTER_POSTGRES_URL", "VIMOTION_STORE_URL"):
        assert f"{found['POSTGRES_USER']}:{found['POSTGRES_PASSWORD']}@postgres:5432/" in found[name]
    assert found["DAGSTER_POSTGRES_URL"].rsplit("/", 1)[1] != found["VIMOTION_STORE_URL"].rsplit("/", 1)[1], "two alembic_version tables in one database"
    assert found["VIMOTION_STORE_URL"].rsplit("/", 1)[1] in (DEPLOY / "postgres" / "databases.sql").read_text()
    assert found["DAGSTER_CODE_HOST"] in compose()["services"]
    assert "deploy/secrets.env" in (REPOSITORY / ".gitignore").read_text().splitlines()


@pytest.mark.parametrize("path", [DEPLOY / "dagster", DEPLOY / "kubernetes"], ids=lambda path: path.name)
def test_dagster_takes_its_instance_configuration(path, monkeypatch):
    """Dagster checks the file against the configuration schema of every class that it names."""
    pytest.importorskip("dagster_postgres", reason="the extra production is not installed")
    text = (path / "dagster.yaml").read_text()
    if "dagster_k8s" in text:
        pytest.importorskip("dagster_k8s", reason="the extra kubernetes is not installed")
    from dagster._config import process_config
    from dagster._core.instance.config import dagster_instance_config

    monkeypatch.setenv("DAGSTER_POSTGRES_URL", "postgresql://somebody:secret@127.0.0.1:1/dagster")
    monkeypatch.setenv("VIM_NAMESPACE", "vimotion")
    config, _custom = dagster_instance_config(str(path))
    assert config["telemetry"] == {"enabled": False} and config["nux"] == {"enabled": False}
    assert config["concurrency"]["runs"]["max_concurrent_runs"] == 1, "DuckDB lets one process at a time hold its file"
    for name in ("run_launcher", "compute_logs", "local_artifact_storage", "run_coordinator"):
        if name not in config:
            continue
        import importlib

        kind = getattr(importlib.import_module(config[name]["module"]), config[name]["class"])
        checked = process_config(kind.config_type(), config[name].get("config", {}))
        assert checked.success, f"{name}: {[error.message for error in checked.errors or []]}"


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="no kubectl here")
def test_kustomize_builds_and_every_name_that_a_pod_refers_to_exists():
    done = subprocess.run(["kubectl", "kustomize", str(DEPLOY / "kubernetes")], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    found = [document for document in yaml.safe_load_all(done.stdout) if document]
    names = {(item["kind"], item["metadata"]["name"]) for item in found}
    services = {item["metadata"]["name"]: item for item in found if item["kind"] == "Service"}
    settings = next(item["data"] for item in found if item["metadata"]["name"] == "vimotion-settings")
    assert settings["DAGSTER_CODE_HOST"] in services and settings["VIM_NAMESPACE"] == "vimotion"
    for item in found:
        assert item["metadata"].get("namespace") == "vimotion"
        if item["kind"] != "Deployment":
            continue
        pod = item["spec"]["template"]["spec"]
        assert pod["securityContext"]["runAsNonRoot"] and item["spec"]["replicas"] == 1
        assert ("ServiceAccount", pod["serviceAccountName"]) in names
        for volume in pod["volumes"]:
            if "emptyDir" in volume:
                continue
            kind, name = (
                ("ConfigMap", volume["configMap"]["name"]) if "configMap" in volume else ("PersistentVolumeClaim", volume["persistentVolumeClaim"]["claimName"])
            )
            assert (kind, name) in names
    launcher = yaml.safe_load(next(item["data"]["dagster.yaml"] for item in found if item["metadata"]["name"] == "vimotion-dagster"))["run_launcher"]["config"]
    assert ("ServiceAccount", launcher["service_account_name"]) in names and ("ConfigMap", launcher["instance_config_map"]) in names
    assert all(("ConfigMap", name) in names for name in launcher["env_config_maps"])


def test_the_pods_run_the_commands_of_the_compose_file():
    """Two ways to start a role would drift apart."""
    pods = [document for document in yaml.safe_load_all((DEPLOY / "kubernetes" / "deployments.yaml").read_text()) if document["kind"] == "Deployment"]
    commands = {item["metadata"]["name"].removeprefix("vimotion-"): item["spec"]["template"]["spec"]["containers"][0]["command"] for item in pods}
    assert commands == {name: service["command"] for name, service in compose()["services"].items() if "command" in service}
    *_, default = [rest for name, rest in dockerfile() if name == "CMD"]
    assert yaml.safe_load(default) == commands["inbox"]


def test_pods_and_runs_are_as_closed_as_the_containers():
    """No privilege, nothing that it may write but the state and /tmp: the four roles, and the run that the launcher starts."""
    services = {name: service for name, service in compose()["services"].items() if name != "postgres"}
    assert all(service["read_only"] and service["cap_drop"] == ["ALL"] and service["tmpfs"] == ["/tmp"] for service in services.values())
    launcher = yaml.safe_load((DEPLOY / "kubernetes" / "dagster.yaml").read_text())["run_launcher"]["config"]
    run = launcher["run_k8s_config"]["pod_spec_config"]["security_context"]
    assert run["run_as_non_root"] and run["seccomp_profile"] == {"type": "RuntimeDefault"}
    closed = [(launcher["security_context"], launcher["volume_mounts"])]
    for document in yaml.safe_load_all((DEPLOY / "kubernetes" / "deployments.yaml").read_text()):
        if document["kind"] != "Deployment":
            continue
        pod = document["spec"]["template"]["spec"]
        assert pod["securityContext"]["runAsNonRoot"] and pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert {mount["name"] for mount in pod["containers"][0]["volumeMounts"]} == {volume["name"] for volume in pod["volumes"]}
        closed.append((pod["containers"][0]["securityContext"], pod["containers"][0]["volumeMounts"]))
    assert len(closed) == 5
    for context, mounts in closed:
        assert context == {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}, "readOnlyRootFilesystem": True}
        assert {"/tmp", "/var/lib/vimotion"} <= {mount["mountPath"] for mount in mounts}


def test_the_workflow_calls_make_targets_that_exist_on_every_python_that_is_supported():
    workflow = yaml.safe_load((REPOSITORY / ".github" / "workflows" / "ci.yml").read_text())
    targets = set(re.findall(r"^([a-z-]+):", (REPOSITORY / "Makefile").read_text(), re.MULTILINE))
    runs = [step["run"] for job in workflow["jobs"].values() for step in job["steps"] if "run" in step]
    called = {words[1] for run in runs for line in run.splitlines() if (words := shlex.split(line)) and words[0] == "make"}
    assert {"lint", "typecheck", "test", "audit"} <= called <= targets
    assert workflow["jobs"]["test"]["strategy"]["matrix"]["python"] == ["3.11", "3.12", "3.13"]
    assert "secrets." not in (REPOSITORY / ".github" / "workflows" / "ci.yml").read_text().replace("secrets.env", "")
