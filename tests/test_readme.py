"""What the READMEs, compose.yaml, Procfile and .env.example say is true."""

import ast
import importlib.util
import json
import re
import shlex
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from events import CATALOG, decode_ack, decode_reply, errors, fields, parse
from storage.models import Base
from workers.cli import cj
from workers.local import procfile
from workers.settings import VARIABLES

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
#: Every README of the project by its path; each room may have its own.
PAGES = {
    path.relative_to(ROOT).as_posix(): path.read_text()
    for folder in ("events", "shopify", "storage", "tests", "workers", "workflows")
    for path in sorted((ROOT / folder).rglob("README.md"))
} | {"README.md": README}
CONTRACT = PAGES["events/README.md"]
COMPOSE: Mapping[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
WORKERS = ("intake", "workflow", "agent", "shopify", "ops")


def blocks(language: str, page: str = README) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page, re.MULTILINE | re.DOTALL)


def section(title: str, page: str = README) -> str:
    return page.split(f"\n## {title}\n")[1].split("\n## ")[0]


def first_cells(table: str) -> list[str]:
    rows = [line.split("|")[1].strip() for line in table.splitlines() if line.startswith("| ")]
    return rows[1:]


def test_every_variable_is_explained() -> None:
    assert first_cells(section("Settings")) == [f"`{name}`" for name in VARIABLES]


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
        return decode_reply(block.encode()).kind
    return parse(block.encode()).type if "type" in value else decode_ack(block.encode()).id


def test_json_examples_of_the_contract_are_what_they_claim() -> None:
    kinds = ["oauth_complete", "message_received", "TEXT_MESSAGE_CHUNK", "turn_9:000003:5f0c19d2a7b3e846"]
    assert [kind_of(block) for block in blocks("json", CONTRACT)] == kinds


@pytest.mark.parametrize("name", PAGES)
def test_python_examples_compile_and_import_what_exists(name: str) -> None:
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
def test_links_lead_to_files_that_exist(name: str) -> None:
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", PAGES[name]):
        if "://" not in target:
            assert (ROOT / name).parent.joinpath(target).exists(), target


def test_every_table_is_explained() -> None:
    tables = {*Base.metadata.tables, "integrations"}
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
    needed = [*project["dependencies"], *extras["worker"], *extras["embedded"]]
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
        words = COMPOSE["services"][kind]["command"]
        in_container = command.removeprefix("exec ").replace("-$$@%h", "@%h").split()
        assert words == in_container, kind


def test_compose_waits_checks_and_restarts() -> None:
    services = COMPOSE["services"]
    assert set(services) == {*WORKERS, "postgres", "valkey", "roles", "migrate", "flower"}
    for name in WORKERS:
        assert services[name]["depends_on"]["migrate"] == {"condition": "service_completed_successfully"}
        assert services[name]["depends_on"]["valkey"] == {"condition": "service_healthy"}
        assert services[name]["restart"] == "always"
        assert services[name]["healthcheck"]["test"]
    for name in ("postgres", "valkey"):
        assert services[name]["restart"] == "always"
        assert services[name]["healthcheck"]["test"]
        assert services[name]["volumes"]
    assert services["migrate"]["command"] == ["alembic", "upgrade", "head"]
    assert services["migrate"]["restart"] == "no"
    assert "--appendonly yes" in services["valkey"]["command"][-1]
    assert "noeviction" in services["valkey"]["command"][-1]


def test_only_flower_is_published_and_only_to_this_machine() -> None:
    published = {name: service["ports"] for name, service in COMPOSE["services"].items() if "ports" in service}
    assert published == {"flower": ["127.0.0.1:5555:5555"]}
    flower = COMPOSE["services"]["flower"]
    assert "--read_only=True" in flower["command"]
    assert "FLOWER_BASIC_AUTH" in flower["environment"]


def test_env_example_names_all_that_compose_asks_for() -> None:
    text = (ROOT / ".env.example").read_text()
    offered = set(re.findall(r"^#?([A-Z_]+)=", text, re.MULTILINE))
    asked = set(re.findall(r"\$\{([A-Z_]+)", (ROOT / "compose.yaml").read_text()))
    passed_on = {
        name
        for service in COMPOSE["services"].values()
        for name, value in (service.get("environment") or {}).items()
        if value is None
    }
    assert asked <= offered
    assert passed_on - {"OPENAI_API_BASE"} <= offered
    required = set(re.findall(r"^([A-Z_]+)=$", text, re.MULTILINE))
    assert required == set(re.findall(r"\$\{([A-Z_]+):\?", (ROOT / "compose.yaml").read_text()))


SECRETS = (
    "POSTGRES_PASSWORD",
    "WORKERS_PASSWORD",
    "TOKENS_PASSWORD",
    "VALKEY_PASSWORD",
    "CJ_TOKEN_KEYS",
    "FLOWER_BASIC_AUTH",
)


def test_only_who_needs_tokens_can_have_them_in_compose() -> None:
    services = COMPOSE["services"]
    roles = {kind: re.findall(r"//(\w+):", services[kind]["environment"]["DATABASE_URL"])[0] for kind in WORKERS}
    assert roles == {
        "intake": "cj_workers",
        "workflow": "cj_workers",
        "agent": "cj_workers",
        "shopify": "cj_tokens",
        "ops": "cj",
    }
    assert "CJ_TOKEN_KEYS" not in services["agent"]["environment"]
    assert "CJ_TOKEN_KEYS" not in services["workflow"]["environment"]


@pytest.mark.parametrize("name", SECRETS)
def test_no_secret_has_a_default(name: str) -> None:
    text = (ROOT / "compose.yaml").read_text()
    assert f"${{{name}:-" not in text
    assert f"${{{name}:?" in text


def test_the_image_runs_as_nobody_special_from_pinned_hashes() -> None:
    text = (ROOT / "Dockerfile").read_text()
    assert re.search(r"^USER cj$", text, re.MULTILINE)
    assert "--require-hashes" in text
