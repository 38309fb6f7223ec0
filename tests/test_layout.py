"""House rules that a machine can hold: who imports whom, who reads the environment, what must not be in the tree."""

import ast
import re
import subprocess
import sys
import sysconfig
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
MAY_IMPORT = {
    "events": set(),
    "shopify": {"events"},
    "storage": {"events"},
    "workflows": {"events"},
    "workers": {"events", "shopify", "storage", "workflows"},
}
LITELLM = {"workers/model/litellm_call.py"}
#: litellm is configured by two variables that have to be set before it is imported; embedded servers need none.
READS_ENVIRONMENT = {"workers/settings.py"}
SETS_ENVIRONMENT = {"workers/model/litellm_call.py", "workers/local/fork_server.py"}


def sources() -> list[Path]:
    return sorted(path for package in MAY_IMPORT for path in (ROOT / package).rglob("*.py"))


def named(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def imports(tree: ast.AST) -> Iterator[tuple[str, ast.stmt]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute here"
            yield str(node.module).split(".")[0], node
        elif isinstance(node, ast.Import):
            yield from ((alias.name.split(".")[0], node) for alias in node.names)


def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(), str(path))


def tracked() -> list[Path]:
    """Every file of the project, also one not added yet; the one test that needs the folder to be a checkout."""
    names = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    return [path for name in names.splitlines() if (path := ROOT / name).is_file()]


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_imports_point_one_way(package: str) -> None:
    files = list((ROOT / package).rglob("*.py"))
    assert files
    for path in files:
        imported = {name for name, _ in imports(parsed(path))} & MAY_IMPORT.keys() - {package}
        assert imported <= MAY_IMPORT[package], f"{named(path)} imports {imported - MAY_IMPORT[package]}"


def folder_of(module: str) -> str | None:
    """`workers.agent.runner` -> `workers.agent`; None for what is no folder of workers."""
    parts = module.split(".")
    is_folder = len(parts) > 1 and parts[0] == "workers" and (ROOT / "workers" / parts[1]).is_dir()
    return ".".join(parts[:2]) if is_folder else None


def test_no_two_folders_of_the_workers_import_each_other() -> None:
    arrows: dict[str, set[str]] = {}
    for path in (ROOT / "workers").rglob("*.py"):
        source = folder_of(named(path).removesuffix(".py").replace("/", "."))
        for node in ast.walk(parsed(path)):
            if not (isinstance(node, ast.ImportFrom) and node.module and source):
                continue
            modules = {node.module} if node.module != "workers" else {f"workers.{alias.name}" for alias in node.names}
            arrows.setdefault(source, set()).update(target for m in modules if (target := folder_of(m)))
    reached = {start: set(targets) - {start} for start, targets in arrows.items()}
    for _ in arrows:
        for targets in reached.values():
            targets |= {further for target in list(targets) for further in reached.get(target, ())}
    assert [folder for folder, targets in reached.items() if folder in targets] == []


#: Names that every package may have: what they are is clear from where they stand.
COMMON_MODULES = {
    *("__init__", "__main__", "errors", "schema"),
    *("client", "response", "runner", "tokens", "privacy", "demo"),  # of Shopify, of a model, of a turn, …
}


def test_no_name_has_two_owners() -> None:
    modules: dict[str, list[str]] = {}
    classes: dict[str, list[str]] = {}
    for path in sources():
        modules.setdefault(path.stem, []).append(named(path))
        for node in parsed(path).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                classes.setdefault(node.name, []).append(named(path))
    twice = {name: where for name, where in modules.items() if len(where) > 1 and name not in COMMON_MODULES}
    twice |= {name: where for name, where in classes.items() if len(where) > 1}
    assert twice == {}


def test_migrations_read_only_models_and_settings() -> None:
    for path in (ROOT / "alembic").rglob("*.py"):
        ours = {name for name, _ in imports(parsed(path))} & MAY_IMPORT.keys()
        assert ours <= {"storage", "workers"}, named(path)


def test_the_folder_alembic_does_not_hide_the_library() -> None:
    assert not list((ROOT / "alembic").rglob("__init__.py"))


def test_litellm_is_imported_late_and_in_one_place() -> None:
    for path in sources():
        for name, node in imports(parsed(path)):
            if name == "litellm":
                assert named(path) in LITELLM, named(path)
                assert node not in parsed(path).body
                assert node.col_offset > 0, f"{named(path)}:{node.lineno} imports litellm with the module"


def test_what_is_installed_needs_no_test_tools() -> None:
    for path in sources():
        assert not {name for name, _ in imports(parsed(path))} & {"pytest", "tests"}, named(path)


def test_only_settings_reads_the_environment() -> None:
    for path in sources():
        for node in ast.walk(parsed(path)):
            if not (isinstance(node, ast.Attribute) and node.attr in ("environ", "getenv", "environb")):
                continue
            if isinstance(node.value, ast.Name) and node.value.id == "os":
                assert named(path) in READS_ENVIRONMENT | SETS_ENVIRONMENT, f"{named(path)}:{node.lineno}"


def test_model_sets_the_environment_but_does_not_read_it() -> None:
    for name in SETS_ENVIRONMENT:
        text = (ROOT / name).read_text()
        assert not re.search(r"os\.getenv|os\.environ\.get\(|= os\.environ\[", text), name


def test_the_contract_is_light() -> None:
    """What the auth service and the gateway import loads none of the workers' libraries."""
    code = (
        "import sys, events, events.envelope, events.publisher, events.replies;"
        "heavy = {'celery', 'sqlalchemy', 'gql', 'litellm', 'alembic', 'psycopg2', 'aiohttp', 'workers', 'storage'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_help_is_quick_because_nothing_heavy_is_imported() -> None:
    code = (
        "import sys, workers.cli;"
        "heavy = {'celery', 'sqlalchemy', 'gql', 'litellm', 'alembic', 'psycopg2', 'aiohttp', 'cryptography'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_nothing_names_a_registry_or_a_machine() -> None:
    registries = "|".join(("pypi" + r"\.org", "python" + "hosted", "registry" + r"\.npmjs", "deb" + r"\.debian"))
    machines = r"(^|[^\w.])/(?:wo" + r"rk|fa" + r"rm|ro" + r"ot)/|\.\./sha" + "red"
    pattern = re.compile(f"{registries}|{machines}", re.MULTILINE)
    for path in tracked():
        try:
            text = path.read_text()
        except UnicodeDecodeError:
            continue
        found = pattern.search(text)
        assert found is None, f"{named(path)} has {found[0]!r}" if found else ""


def test_no_file_on_the_path_runs_code_at_every_start() -> None:
    """A .pth file can import anything into every interpreter; only installed tools of known kind may."""
    known = re.compile(r"__editable__\.cj_workers|distutils-precedence|_virtualenv|coverage|pytest-")
    site = Path(sysconfig.get_paths()["purelib"])
    unknown = [path.name for path in site.glob("*.pth") if not known.match(path.name)]
    assert unknown == []


def test_every_package_is_listed() -> None:
    names = set(tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"])
    folders = {named(path.parent).replace("/", ".") for path in sources() if path.name == "__init__.py"}
    assert names == folders
