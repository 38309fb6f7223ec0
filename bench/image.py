"""The image without an engine: `python -m bench.image FOLDER` (as root, with debootstrap; about ten minutes).

Carries out the Dockerfile's RUN lines in a bare Debian under FOLDER, prints the sizes, and starts each kind of process
there as compose.yaml does: read-only, as uid 10001, with a /tmp of its own; each must pass compose's health check.
The base is made as the official `python:…-slim` is: a minimal Debian without documentation, and a Python in /usr/local
without its tests. This machine's Python serves for it.
"""

import argparse
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import yaml

from bench.ground import ground
from storage.vault import new_key_text
from tests.stack import ROOT

KINDS = ("intake", "workflow", "agent", "shopify", "ops", "gateway", "auth", "console")
SUITE = "bookworm"
#: What the official image installs, and the libraries that Python is linked with.
PACKAGES = (
    "ca-certificates,netbase,tzdata,"
    "libssl3,libffi8,zlib1g,libbz2-1.0,liblzma5,libsqlite3-0,libreadline8,libncursesw6,libuuid1,libexpat1"
)
#: What Debian's slim image leaves out.
DOCUMENTATION = ("doc", "man", "info", "groff", "lintian", "linda", "locale")
LEFT_OUT = ("test", "tests", "idle_test", "__pycache__", "*.a", "site-packages")


def steps() -> list[str]:
    """The RUN lines of the Dockerfile."""
    text = (ROOT / "Dockerfile").read_text().replace("\\\n", " ")
    return re.findall(r"(?m)^RUN (.*)$", text)


def make_base(root: Path) -> None:
    """As https://github.com/docker-library/python builds its slim variant."""
    subprocess.run(["debootstrap", "--variant=minbase", f"--include={PACKAGES}", SUITE, str(root)], check=True)
    share, var, local = root / "usr/share", root / "var", root / "usr/local"
    for path in (*(share / name for name in DOCUMENTATION), var / "cache/apt", var / "lib/apt/lists"):
        shutil.rmtree(path, ignore_errors=True)
    version, prefix = f"python3.{sys.version_info.minor}", Path(sys.base_prefix)
    shutil.copytree(prefix / "lib" / version, local / "lib" / version, ignore=shutil.ignore_patterns(*LEFT_OUT))
    for path in (prefix / "bin" / version, *(prefix / "lib").glob("libpython3*.so*")):
        shutil.copy2(path, local / path.relative_to(prefix))
    (local / "bin/python").symlink_to(version)
    for path in (*local.glob("lib/**/*.so*"), local / "bin" / version):
        subprocess.run(["strip", "--strip-unneeded", str(path)], check=True)
    subprocess.run(["ldconfig", "-r", str(root)], check=True)
    subprocess.run(["chroot", str(root), "python", "-m", "ensurepip", "--default-pip"], check=True)


def build(root: Path, carried: Sequence[Path]) -> None:
    if not (root / "usr/local/bin/pip").exists():
        make_base(root)
    for path in carried:
        target = root / path.relative_to("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run(["cp", "-r", "-T", str(path), str(target)], check=True)
    app = root / "app"
    app.mkdir(exist_ok=True)
    left_out = [f":(exclude){line}" for line in (ROOT / ".dockerignore").read_text().split() if "*" not in line]
    files = subprocess.run(
        ["git", "ls-files", "--", ".", *left_out], cwd=ROOT, capture_output=True, text=True, check=True
    )
    archive = subprocess.run(["tar", "c", "-C", str(ROOT), *files.stdout.split()], capture_output=True, check=True)
    subprocess.run(["tar", "x", "-C", str(app)], input=archive.stdout, check=True)
    for line in steps():
        script = f"export PATH=/opt/cj/bin:$PATH PYTHONDONTWRITEBYTECODE=1; cd /app; {line}"
        subprocess.run(["chroot", str(root), "sh", "-euc", script], check=True)


def size(root: Path, *parts: str) -> int:
    """In MB."""
    if not parts:
        return 0
    paths = [str(root / part) for part in parts]
    done = subprocess.run(["du", "-scm", "--apparent-size", *paths], capture_output=True, text=True, check=True)
    return int(done.stdout.split("\n")[-2].split()[0])


def is_healthy(root: Path, kind: str, environ: dict[str, str], sockets: str) -> bool:
    """Whether the process, as compose runs it, passes compose's health check within a minute."""
    service = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"][kind]
    command, check = shlex.join(service["command"]), service["healthcheck"]["test"][1].replace("$$", "$")
    inside = (
        f"cd /app; {command} & pid=$!; for _ in $(seq 60); do if {check}; then echo HEALTHY; break; fi; sleep 1; done; "
        "touch /app/x 2>/dev/null && echo WRITABLE; id -u; kill $pid; wait $pid"
    )
    given = " ".join(f"{name}={shlex.quote(value)}" for name, value in environ.items())
    script = f"""
        mount --bind {root} {root} && mkdir -p {root}{sockets} && mount --bind {sockets} {root}{sockets}
        mount -o remount,bind,ro {root} && mount -t tmpfs -o mode=1777 tmpfs {root}/tmp
        mkdir -p {root}{sockets} && mount --bind {sockets} {root}{sockets}
        mount -t proc proc {root}/proc && mount --rbind /dev {root}/dev
        exec chroot --userspec=10001:10001 {root} \
            env -i PATH=/opt/cj/bin:/usr/bin:/bin {given} sh -c {shlex.quote(inside)}
    """
    done = subprocess.run(["unshare", "--mount", "sh", "-euc", script], capture_output=True, text=True, check=False)
    good = "HEALTHY" in done.stdout and "WRITABLE" not in done.stdout and "10001" in done.stdout
    if not good:
        print(done.stdout, "\n".join(line for line in done.stderr.splitlines() if not line.startswith("find:")))
    return good


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="where to build; kept, and used again if it is there")
    parser.add_argument(
        "--carry",
        type=Path,
        nargs="*",
        default=[],
        help="files and folders that pip needs there as it does here: its configuration, resolv.conf, certificates",
    )
    options = parser.parse_args()
    root: Path = options.folder.resolve()
    if not (root / "opt/cj").exists():
        build(root, options.carry)
    carried = [str(path.relative_to("/")) for path in options.carry]
    whole, ours = size(root, ".") - size(root, *carried), size(root, "opt/cj", "app")
    print(f"dependencies and code: {ours} MB; Debian and Python: {whole - ours} MB; together {whole} MB (aim: 400)")
    with ground() as here:
        sockets = parse_qs(urlsplit(here.database_url).query)["host"][0]
        Path(sockets).chmod(0o755)
        (Path(sockets) / ".s.PGSQL.5432").chmod(0o777)
        environ = {
            "DATABASE_URL": here.database_url, "BROKER_URL": here.valkey.url, "REDIS_URL": here.valkey.url,
            "CJ_TOKEN_KEYS": new_key_text(), "CJ_MODEL": "demo", "CJ_HEARTBEAT_PATH": "/tmp/heartbeat",
            "CJ_GATEWAY_CHAT_KEYS": "c" * 40, "CJ_GATEWAY_SERVICE_TOKENS": "s" * 40, "CJ_CONSOLE_PASSWORD": "p" * 40,
        }  # fmt: skip
        healthy = {kind: is_healthy(root, kind, environ, sockets) for kind in KINDS}
    for kind, good in healthy.items():
        print(f"{kind:10} {'healthy, read-only, as uid 10001' if good else 'NOT HEALTHY'}")
    raise SystemExit(not all(healthy.values()))


if __name__ == "__main__":
    main()
