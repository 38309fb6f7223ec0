"""What the READMEs, compose.yaml, Procfile and .env.example say is true."""

import ast
import importlib.util
import json
import re
import shlex
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click
import kubernetes_validate
import pytest
import yaml

from events import CATALOG, decode_ack, decode_reply, errors, fields, parse, sentinel
from storage.models import Base
from workers.cli import cj
from workers.cli.secrets import files
from workers.local import procfile
from workers.metrics import KINDS
from workers.settings import SECRETS, SERVERS, VARIABLES, is_secret, needed_by

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
#: Every README of the project by its path; each room may have its own.
PAGES = {
    path.relative_to(ROOT).as_posix(): path.read_text()
    for folder in ("events", "shopify", "storage", "tests", "workers", "workflows")
    for name in ("README.md", "SCENARIOS.md")
    for path in sorted((ROOT / folder).rglob(name))
    if "node_modules" not in path.parts
} | {"README.md": README}
CONTRACT = PAGES["events/README.md"]
COMPOSE: Mapping[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
SERVICES: Mapping[str, Any] = COMPOSE["services"]
WORKERS = ("intake", "workflow", "agent", "shopify", "ops", "gateway")


def blocks(language: str, page: str = README) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page, re.MULTILINE | re.DOTALL)


def section(title: str, page: str = README) -> str:
    return page.split(f"\n## {title}\n")[1].split("\n## ")[0]


def first_cells(table: str) -> list[str]:
    rows = [line.split("|")[1].strip() for line in table.splitlines() if line.startswith("| ")]
    return rows[1:]


def test_every_variable_is_explained() -> None:
    assert first_cells(section("Settings")) == [f"`{name}`" for name in VARIABLES]


def test_every_secret_that_may_be_in_a_file_is_listed() -> None:
    told = section("Settings").split("A secret may be in a file")[1]
    assert {f"{name}_FILE" for name in SECRETS} <= set(re.findall(r"`(\w+_FILE)`", told))


def test_every_event_type_is_listed_with_its_fields() -> None:
    rows = {
        name: row.split("|")[2]
        for row in CONTRACT.split("\n## Events\n")[1].split("\n## ")[0].splitlines()
        if row.startswith("| `")
        for name in re.findall(r"`(\w+)`", row.split("|")[1])
    }
    assert rows.keys() == CATALOG.keys()
    for name, said in rows.items():
        assert set(re.findall(r"`(\w+)`", said)) == fields(name).keys(), name


def kind_of(block: str) -> str:
    """What a JSON example turns out to be. Raises InvalidEvent when it is nothing of the contract."""
    value = json.loads(block)
    if value.get("source") == "/cj":
        return decode_reply(block.encode()).kinds[0]
    return parse(block.encode()).type if "type" in value else decode_ack(block.encode()).id


def test_json_examples_of_the_contract_are_what_they_claim() -> None:
    kinds = ["oauth_complete", "message_received", "TEXT_MESSAGE_START", "turn_9:000003:5f0c19d2a7b3e846"]
    assert [kind_of(block) for block in blocks("json", CONTRACT)] == kinds


@pytest.mark.parametrize("name", PAGES)
def test_python_examples_compile_and_import_what_exists(
    name: str, client_package: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(client_package.parent)
    for block in blocks("python", PAGES[name]):
        tree = ast.parse(block)
        compile(tree, name, "exec")
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom):
                module = importlib.import_module(str(node.module))
                for alias in node.names:
                    if not hasattr(module, alias.name):
                        importlib.import_module(f"{node.module}.{alias.name}")


@pytest.mark.parametrize("name", PAGES)
def test_links_lead_to_files_and_headings_that_exist(name: str) -> None:
    for target in re.findall(r"\]\(([^)]+)\)", PAGES[name]):
        if "://" in target:
            continue
        file, _, heading = target.partition("#")
        page = (ROOT / name).parent.joinpath(file) if file else ROOT / name
        assert page.exists(), target
        titles = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE) if heading else []
        names = [re.sub(r"[^\w -]", "", title).lower().replace(" ", "-") for title in titles]
        assert not heading or heading in names, target


def test_every_table_is_explained() -> None:
    tables = {*Base.metadata.tables, "integrations", "merchant_messages"}
    section = PAGES["storage/README.md"].split("\n## Tables\n")[1].split("\n## ")[0]
    assert set(first_cells(section)) == {f"`{name}`" for name in tables}


def test_every_error_code_of_an_event_is_listed() -> None:
    listed = set(re.findall(r"^    (event\.\w+) ", str(errors.__doc__), re.MULTILINE))
    sources = [path.read_text() for path in (ROOT / "events").rglob("*.py")]
    used = {code for text in sources for code in re.findall(r'"(event\.\w+)"', text)}
    assert used - {errors.BROKER_UNAVAILABLE} == listed


@pytest.mark.parametrize("name", PAGES)
def test_commands_and_targets_exist(name: str) -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    lines = [line.split("#")[0].strip() for block in blocks("sh", PAGES[name]) for line in block.splitlines()]
    lines += [text for text in re.findall(r"`([^`\n]+)`", PAGES[name]) if text.startswith(("cj ", "make "))]
    for line in filter(None, lines):
        words = shlex.split(line)
        if words[:2] == ["python", "-m"]:
            assert importlib.util.find_spec(words[2]), line
        if words[0] == "make":
            assert words[1] in targets, line
        if words[0] == "cj":
            command: click.Command = cj
            for word in words[1:]:
                if not isinstance(command, click.Group) or word.startswith("-"):
                    break
                assert word in command.commands, line
                command = command.commands[word]


def test_every_dependency_has_its_reason() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    needed = [*project["dependencies"], *extras["worker"], *extras["tracing"], *extras["embedded"]]
    names = {re.split(r"[\[>=<~! ]", each)[0] for each in needed}
    explained = {
        name for cell in first_cells(section("Dependencies", PAGES["tests/README.md"])) for name in cell.split(", ")
    }
    assert explained == names


def test_the_first_screen_is_the_demo() -> None:
    first = README.split("```")[1]
    assert first.startswith("text\n$ make demo\n")
    for said in ("played by the development", "demo model", "support system", "ad_hoc_support", "What happened when:"):
        assert said in first


def test_compose_runs_the_procfile() -> None:
    assert set(procfile.read()) == set(WORKERS)
    for kind, command in procfile.read().items():
        words = SERVICES[kind]["command"]
        in_container = command.removeprefix("exec ").replace("-$$@%h", "@%h").split()
        assert words == in_container, kind


def test_compose_waits_checks_and_restarts() -> None:
    assert set(SERVICES) == {*WORKERS, "auth", "console", "postgres", "valkey", "roles", "migrate", "flower"}
    for name in WORKERS:
        assert SERVICES[name]["depends_on"]["migrate"] == {"condition": "service_completed_successfully"}
        assert SERVICES[name]["depends_on"]["valkey"] == {"condition": "service_healthy"}
        assert SERVICES[name]["restart"] == "always"
        assert SERVICES[name]["healthcheck"]["test"]
    for name in ("postgres", "valkey"):
        assert SERVICES[name]["restart"] == "always"
        assert SERVICES[name]["healthcheck"]["test"]
        assert SERVICES[name]["volumes"]
    assert SERVICES["migrate"]["command"] == ["alembic", "upgrade", "head"]
    assert SERVICES["migrate"]["restart"] == SERVICES["roles"]["restart"] == "no"
    valkey = " ".join(SERVICES["valkey"]["command"])
    assert "--appendonly yes" in valkey
    assert "noeviction" in valkey


def test_only_flower_and_the_console_are_published_and_only_to_this_machine() -> None:
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert published == {"flower": ["127.0.0.1:5555:5555"], "console": ["127.0.0.1:8810:8810"]}
    assert SERVICES["console"]["profiles"] == ["console"], "only where it is asked for"
    assert SERVICES["console"]["command"] == ["cj", "console"], "which only shows"
    assert "--read_only=True" in SERVICES["flower"]["command"][-1]


def test_env_example_names_all_that_compose_asks_for() -> None:
    text = (ROOT / ".env.example").read_text()
    offered = set(re.findall(r"^#?([A-Z_]+)=", text, re.MULTILINE))
    asked = set(re.findall(r"\$\{([A-Z_]+)", (ROOT / "compose.yaml").read_text()))
    passed_on = {
        name for service in SERVICES.values() for name, value in service.get("environment", {}).items() if value is None
    }
    assert asked | passed_on == offered
    assert not [name for name in offered if is_secret(name)]


# Who may do what in compose.yaml


@pytest.mark.parametrize("name", SERVICES)
def test_every_container_has_the_least_of_everything(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "cap_add" not in service
    assert "privileged" not in service
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert re.fullmatch(r"\d+[mg]", service["mem_limit"])
    assert 0 < service["pids_limit"] <= 256
    assert "/tmp" in service["tmpfs"]
    # Ours by the image (below); the servers' images begin as root unless told otherwise.
    assert service["image"] == "hirecj" or service["user"] in ("postgres", "valkey")


def test_images_are_of_exact_versions_and_may_be_named_by_digest() -> None:
    """No registry was asked for a digest, so none is claimed."""
    text = (ROOT / "compose.yaml").read_text()
    images = {service["image"] for service in SERVICES.values()} - {"hirecj"}
    assert images == {"${POSTGRES_IMAGE:-postgres:18.4}", "${VALKEY_IMAGE:-valkey/valkey:9.1.2}"}
    [base] = re.findall(r"^ARG PYTHON_IMAGE=(.*)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert re.fullmatch(r"python:3\.\d+\.\d+-slim", base)
    assert f"PYTHON_IMAGE:-{base}}}" in text
    assert "FROM ${PYTHON_IMAGE}" in (ROOT / "Dockerfile").read_text()


def networks(name: str) -> set[str]:
    return set(SERVICES[name]["networks"])


def test_only_the_agent_and_the_shopify_worker_reach_out() -> None:
    """Flower's and the console's network lets one in from this machine; without masquerading it leads nowhere."""
    ways = {name for name, options in COMPOSE["networks"].items() if not (options or {}).get("internal")}
    assert ways == {"outside", "operators"}
    operators = COMPOSE["networks"]["operators"]["driver_opts"]
    assert operators == {"com.docker.network.bridge.enable_ip_masquerade": "false"}
    assert {name for name in SERVICES if "outside" in networks(name)} == {"agent", "shopify"}
    assert {"HTTPS_PROXY", "NO_PROXY"} <= SERVICES["shopify"]["environment"].keys()
    assert {name for name in SERVICES if "operators" in networks(name)} == {"flower", "console"}


def test_the_networks_separate() -> None:
    """From outside, the chat gateway meets Valkey and the door, the auth service Valkey, Postgres and its own door."""
    joinable = {name for name, options in COMPOSE["networks"].items() if (options or {}).get("name")}
    assert joinable == {"auth", "edge", "metrics"}
    assert {name for name in SERVICES if "metrics" in networks(name)} == {*WORKERS, "auth"}
    assert {name for name in SERVICES if "edge" in networks(name)} == {"valkey", "gateway"}
    assert {name for name in SERVICES if "auth" in networks(name)} == {"postgres", "auth"}
    assert networks("flower") == {"broker", "operators"}
    assert networks("migrate") == networks("roles") == {"database"}


def secrets_of(name: str) -> dict[str, str]:
    """What is mounted in a container under /run/secrets: file → secret."""
    listed = [{"source": one, "target": one} if isinstance(one, str) else one for one in SERVICES[name]["secrets"]]
    return {str(one["target"]): str(one["source"]) for one in listed}


def test_each_process_has_its_own_role_and_user() -> None:
    for kind in WORKERS:
        mounted = secrets_of(kind)
        assert mounted["database_url"] == f"database_url_{kind}"
        assert mounted["broker_url"] == "broker_url_workers"
        assert mounted["redis_url"] == "redis_url"
    assert secrets_of("migrate") == {"database_url": "database_url_owner"}
    assert secrets_of("console")["database_url"] == "database_url_ops"
    assert {name for name in SERVICES if "console_password" in secrets_of(name)} == {"console"}
    assert secrets_of("flower") == {"broker_url": "broker_url_flower", "flower_basic_auth": "flower_basic_auth"}
    assert {name for name in SERVICES if "token_keys" in secrets_of(name)} == {"shopify", "ops", "auth"}
    assert {name for name in SERVICES if "shopify_client_secret" in secrets_of(name)} == {"shopify"}
    assert {name for name in SERVICES if "openai_api_key" in secrets_of(name)} == {"agent"}
    assert {name for name in SERVICES if "postgres_password" in secrets_of(name)} == {"postgres", "roles"}


def test_a_secret_is_a_file_and_never_in_an_environment_or_a_command() -> None:
    assert set(COMPOSE["secrets"]) == set(files())
    for name, options in COMPOSE["secrets"].items():
        assert options == {"file": f"./secrets/{name}"}
    for name, service in SERVICES.items():
        given = service.get("environment", {})
        assert not [variable for variable in given if is_secret(variable)], name
        for variable, value in given.items():
            if variable.endswith("_FILE"):
                assert value.removeprefix("/run/secrets/") in secrets_of(name), (name, variable)
        words = json.dumps([service.get("command"), service.get("entrypoint"), service.get("healthcheck")])
        assert not re.search(r"requirepass|--pass\b|--password|PGPASSWORD|://\w*:|\$\{", words), name
    ignored = (ROOT / ".dockerignore").read_text().split()
    assert "secrets" in ignored
    assert "/secrets/" in (ROOT / ".gitignore").read_text().split()


def test_the_production_chapter_says_who_may_do_what() -> None:
    rows = first_cells(section("Who may do what", PAGES["workers/README.md"]))
    assert rows == [*(f"`{kind}`" for kind in WORKERS), "migrations", "auth service", "chat gateway", "Flower"]


def test_the_image_runs_as_nobody_special_from_pinned_hashes() -> None:
    text = (ROOT / "Dockerfile").read_text()
    assert re.search(r"^USER cj$", text, re.MULTILINE)
    assert "--require-hashes" in text


def manifests() -> Iterator[dict[str, Any]]:
    for path in sorted((ROOT / "workers" / "kubernetes").glob("[!k]*.yaml")):
        found = yaml.safe_load(path.read_text())
        yield from found["items"] if found["kind"] == "List" else [found]


def let_in(app: str) -> set[int]:
    """The ports that a Service and a NetworkPolicy of this app open."""
    served = [
        one["spec"] for one in manifests() if one["kind"] == "Service" and one["spec"]["selector"] == {"app": app}
    ]
    policies = [one["spec"] for one in manifests() if one["kind"] == "NetworkPolicy"]
    opened = [one for one in policies if one["podSelector"].get("matchLabels") == {"app": app} and "ingress" in one]
    assert len(served) == len(opened) <= 1
    return {port["port"] for one in opened for port in one["ingress"][0]["ports"]}


def test_a_network_policy_lets_workers_out_to_whatever_settings_can_name() -> None:
    [policy] = [one for one in manifests() if one["metadata"]["name"] == "workers" and one["kind"] == "NetworkPolicy"]
    out = {port["port"] for rule in policy["spec"]["egress"] for port in rule["ports"]}
    pgbouncer, collector, dns = 6432, 4318, 53
    assert out == {dns, 5432, pgbouncer, 6379, sentinel.PORT, 5672, 5671, collector}


def test_kubernetes_runs_the_procfile_and_would_take_the_manifests() -> None:
    """Rendering them needs kubectl; that they are in the form the API wants is checked by its own schema."""
    for manifest in manifests():
        kubernetes_validate.validate(manifest, "1.33", strict=True)
    deployed = {one["metadata"]["name"]: one for one in manifests() if one["kind"] == "Deployment"}
    assert set(deployed) == {*WORKERS, "auth", "console"}
    kustomization = yaml.safe_load((ROOT / "workers" / "kubernetes" / "kustomization.yaml").read_text())
    given = {
        made["name"]: {line.partition("=")[0] for line in made["literals"]}
        for made in kustomization["configMapGenerator"]
    }
    for kind, manifest in deployed.items():
        assert f"cj-{kind}" in section("On Kubernetes", PAGES["workers/README.md"]), "its secret has to be made"
        [container] = manifest["spec"]["template"]["spec"]["containers"]
        assert container["command"] == SERVICES[kind]["command"]
        ports = {port["name"]: port["containerPort"] for port in container["ports"]}
        assert ports.pop("metrics", None) == (9464 + KINDS.index(kind) if kind in KINDS else None)
        assert set(ports.values()) == let_in(f"cj-{kind}"), "whom a Service leads to, a NetworkPolicy lets in"
        names = set().union(*(given[one["configMapRef"]["name"]] for one in container["envFrom"]))
        files = {name.removesuffix("_FILE") for name in names if name.endswith("_FILE")}
        assert {*SERVERS, *needed_by([kind])} <= files | names
        assert files <= {name.removesuffix("_FILE") for name in SERVICES[kind]["environment"]}
        assert container["livenessProbe"]["exec"]["command"][-1] == SERVICES[kind]["healthcheck"]["test"][-1]
        assert container["securityContext"]["readOnlyRootFilesystem"]
