"""Settings: all problems are reported at once, and no secret is ever shown."""

from pathlib import Path

import pytest

from shopify import API_VERSION
from storage import inbox, turns
from workers.settings import (
    VARIABLES,
    Settings,
    SettingsError,
    environment,
    environment_of,
    is_secret,
    needed_by,
    spare_secrets,
)

KEY, OTHER_KEY = "A" * 43 + "=", "B" * 42 + "A="
GOOD = {
    "DATABASE_URL": "postgresql://cj:db-secret@db.example/cj",
    "BROKER_URL": "amqp://cj:mq-secret@mq.example/cj",
    "REDIS_URL": "redis://:cache-secret@cache.example:6379/1",
    "CJ_TOKEN_KEYS": f"2:{KEY},1:{OTHER_KEY}",
    "CJ_MODEL": "openai/gpt-5-mini",
}


def problems(**changed: str) -> tuple[str, ...]:
    with pytest.raises(SettingsError) as caught:
        Settings.read({**GOOD, **changed})
    return caught.value.problems


def test_defaults() -> None:
    settings = Settings.read(GOOD)
    assert settings.database_url == GOOD["DATABASE_URL"]
    assert (settings.model, settings.model_fallbacks, settings.metrics_port) == ("openai/gpt-5-mini", (), None)
    assert (settings.lease_seconds, settings.log_level) == (10.0, "INFO")
    assert settings.shopify_api_version == API_VERSION
    assert settings.shopify_admin_url == "https://{shop}/admin"
    assert (settings.turns_at_a_time, settings.events_at_a_time) == (turns.PER_MERCHANT, inbox.PER_MERCHANT)
    assert settings.metrics_address == "127.0.0.1", "others do not read metrics unless somebody says so"
    assert settings.warnings == ()


def test_everything_set(tmp_path: Path) -> None:
    settings = Settings.read(
        {
            **GOOD,
            "CJ_MODEL": "openai/gpt-5-mini",
            "CJ_MODEL_FALLBACKS": "anthropic/claude-haiku-4-5, openai/gpt-5-nano",
            "SHOPIFY_CLIENT_ID": "id",
            "SHOPIFY_CLIENT_SECRET": "client-secret",
            "SHOPIFY_API_VERSION": "2027-01",
            "SHOPIFY_ADMIN_URL": "http://127.0.0.1:4010/{shop}/admin/",
            "CJ_WORKFLOWS": str(tmp_path),
            "CJ_LEASE_SECONDS": "2.5",
            "CJ_RECOVERY_FACTOR": "0.2",
            "CJ_LOG_LEVEL": "debug",
            "CJ_METRICS_PORT": "9464",
            "CJ_METRICS_ADDRESS": "0.0.0.0",
        }
    )
    assert settings.model_fallbacks == ("anthropic/claude-haiku-4-5", "openai/gpt-5-nano")
    assert settings.shopify_client_secret is not None
    assert settings.shopify_client_secret.get_secret_value() == "client-secret"
    assert settings.shopify_admin_url == "http://127.0.0.1:4010/{shop}/admin"
    assert settings.workflows_folder == tmp_path
    assert settings.recovery_factor == 0.2
    assert settings.metrics_address == "0.0.0.0"
    assert (settings.lease_seconds, settings.log_level, settings.metrics_port) == (2.5, "DEBUG", 9464)


def test_all_problems_at_once_each_naming_its_variable() -> None:
    with pytest.raises(SettingsError) as caught:
        Settings.read({"BROKER_URL": "http://broker.example", "CJ_LEASE_SECONDS": "soon"})
    named = [problem.split()[0] for problem in caught.value.problems]
    assert named == ["DATABASE_URL", "BROKER_URL", "REDIS_URL", "CJ_TOKEN_KEYS", "CJ_MODEL", "CJ_LEASE_SECONDS"]
    assert "postgresql://" in caught.value.problems[0]
    assert "begins with http://" in caught.value.problems[1]
    assert str(caught.value) == "\n".join(caught.value.problems)


def test_empty_counts_as_absent() -> None:
    assert Settings.read({**GOOD, "SHOPIFY_CLIENT_ID": " ", "CJ_METRICS_PORT": ""}).shopify_client_id is None
    assert problems(REDIS_URL="") == ("REDIS_URL is not set: " + VARIABLES["REDIS_URL"],)


def test_only_what_is_needed_must_be_there() -> None:
    settings = Settings.read({"BROKER_URL": GOOD["BROKER_URL"]}, needed=("BROKER_URL",))
    assert (settings.broker_url, settings.database_url, settings.token_keys) == (GOOD["BROKER_URL"], "", None)


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("DATABASE_URL", "mysql://cj:leaked@db/cj", "begins with mysql://"),
        ("DATABASE_URL", "cj:leaked@db/cj", "is not a URL"),
        ("DATABASE_URL", "postgresql://cj:leaked@db:port/cj", "port is invalid"),
        ("DATABASE_URL", "postgresql://cj:leaked@a:5432,b:port/cj", "port is invalid"),
        ("DATABASE_URL", "postgresql://cj:leaked/half@db/cj", "port is invalid"),
        ("DATABASE_URL", "postgresql://cj:leaked@db/cj?schema=leaked", "has the parameter schema"),
        ("DATABASE_URL", "postgresql://cj:leaked@db/cj?pgbouncer=true", "has the parameter pgbouncer"),
        ("DATABASE_URL", "postgresql://cj:leaked%zz@db/cj", "is not a Postgres URL"),
        ("DATABASE_URL", "postgresql://cj:leaked/or:not@db/cj", "in a password @ is written %40"),
        ("BROKER_URL", "redis://cj:leaked/or:not@db/0", "in a password @ is written %40"),
        ("CELERY_BROKER_URL", "redis://:leaked@other/0", "unset it"),
        ("CELERY_BROKER_WRITE_URL", "redis://:leaked@other/0", "unset it"),
        ("CELERY_CONFIG_MODULE", "leaked", "another program's configuration; unset it"),
        ("CELERY_LOADER", "leaked.loader", "another program's configuration; unset it"),
        ("BROKER_URL", "memory://", "redis://"),
        ("BROKER_URL", "redis://:leaked@h/0?socket_timeout=5", "has the parameter socket_timeout"),
        ("BROKER_URL", "redis://:leaked@h/0;redis://:leaked@i/0?db=1", "has the parameter db"),
        ("BROKER_URL", "amqp://cj:leaked@mq/cj?heartbeat=5", "has the parameter heartbeat"),
        ("BROKER_URL", "redis://:leaked@h/0;i:6379", "is not a URL"),
        ("BROKER_URL", "redis://:leaked@h/cj", "names a database of Redis that is no number"),
        ("BROKER_URL", "amqp://cj:leaked@a,b/cj", "host or port is invalid"),
        ("REDIS_URL", "redis://:leaked@h/0?decode_responses=true", "has the parameter decode_responses"),
        ("REDIS_URL", "redis://:leaked@h/cache", "names a database of Redis that is no number"),
        ("REDIS_URL", "redis://:leaked@h/0;redis://:leaked@i/0", "names a database of Redis that is no number"),
        ("REDIS_URL", "redis://:leaked@h /0", "host or port is invalid"),
        ("REDIS_URL", "amqp://mq", "redis://"),
        ("CJ_TOKEN_KEYS", "leaked", "cj tokens new-key"),
        ("CJ_TOKEN_KEYS", f"1:{KEY},1:{OTHER_KEY}", "twice"),
        ("CJ_TOKEN_KEYS", f"256:{KEY}", "1 to 255"),
        ("CJ_TOKEN_KEYS", f"0:{KEY}", "1 to 255"),
        ("CJ_TOKEN_KEYS", "1:" + "A" * 40, "30 bytes, not 32"),
        ("CJ_MODEL", "openai/a openai/b", "one name"),
        ("SHOPIFY_API_VERSION", "2026-09", API_VERSION),
        ("SHOPIFY_ADMIN_URL", "https://shop.example/admin", "{shop}"),
        ("SHOPIFY_ADMIN_URL", "http://store.example/{shop}/admin", "unencrypted"),
        ("SHOPIFY_ADMIN_URL", "ftp://127.0.0.1/{shop}", "{shop}"),
        ("CJ_WORKFLOWS", "/no/such/folder", "not a folder"),
        ("CJ_LEASE_SECONDS", "0.1", "0.5 to 600"),
        ("CJ_LEASE_SECONDS", "nan", "0.5 to 600"),
        ("CJ_RECOVERY_FACTOR", "0", "0.1 to 10"),
        ("CJ_LOG_LEVEL", "loud", "DEBUG"),
        ("CJ_METRICS_PORT", "80.5", "65535"),
        ("CJ_METRICS_PORT", "70000", "65535"),
        ("CJ_METRICS_ADDRESS", "metrics.example", "0.0.0.0"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "leaked@collector:4318", "must begin with one of http://"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "grpc://leaked@collector:4317", "begins with grpc://"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://leaked@collector:port", "host or port is invalid"),
    ],
)
def test_wrong_value(variable: str, value: str, said: str) -> None:
    (problem,) = problems(**{variable: value})
    assert problem.startswith(variable + " ")
    assert said in problem
    assert "leaked" not in problem


@pytest.mark.parametrize("hosts", ["a:5432,b:5433", "a:5432,b", "[::1],[fe80::1]:5433", "%2Frun%2Fpostgresql", "a:"])
def test_servers_of_postgres_are_named_as_libpq_takes_them(hosts: str) -> None:
    several = f"postgresql://cj:db-secret@{hosts}/cj?target_session_attrs=read-write"
    settings = Settings.read({**GOOD, "DATABASE_URL": several, "CELERY_BROKER_URL": GOOD["BROKER_URL"]})
    assert settings.database_url == several
    assert "db-secret" not in settings.shown()["DATABASE_URL"]


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("BROKER_URL", "redis://a/0;redis://b:6380/0"),
        ("BROKER_URL", "amqp://cj:secret@mq.example:5672/%2F?login_method=PLAIN"),
        ("BROKER_URL", "redis://u:p%40w@[::1]:6379"),
        ("REDIS_URL", "redis://cache_1.example/3?protocol=3&socket_timeout=0.5"),
        ("REDIS_URL", "unix:///run/redis.sock?db=2"),
    ],
)
def test_what_libraries_take_is_right(variable: str, value: str) -> None:
    assert Settings.read({**GOOD, variable: value}).values()[variable] == value


def test_values_that_belong_together() -> None:
    assert problems(SHOPIFY_CLIENT_ID="id")[0].startswith("SHOPIFY_CLIENT_SECRET is not set")
    assert problems(SHOPIFY_CLIENT_SECRET="s")[0].startswith("SHOPIFY_CLIENT_ID is not set")
    alone = problems(CJ_MODEL="", CJ_MODEL_FALLBACKS="openai/gpt-5-mini")
    assert alone[1].startswith("CJ_MODEL_FALLBACKS is set without")


def test_misspelt_variable_is_a_warning() -> None:
    settings = Settings.read({**GOOD, "CJ_MODLE": "openai/gpt-5-mini", "CJ_SERVICE_HOST": "10.0.0.1"})
    assert settings.warnings == ("CJ_MODLE is unknown; did you mean CJ_MODEL?",)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("SHOPIFY_API_VERSON", "SHOPIFY_API_VERSION"),
        ("SHOPIFY_CLIENT_ID_FILE", "SHOPIFY_CLIENT_ID"),
        ("OTEL_EXPORTER_OTLP_ENDPONT", "OTEL_EXPORTER_OTLP_ENDPOINT"),
        ("cj_log_level", "CJ_LOG_LEVEL"),
        ("CJ-LOG-LEVEL", "CJ_LOG_LEVEL"),
        ("CJJ_LOG_LEVEL", "CJ_LOG_LEVEL"),
    ],
)
def test_a_misspelt_variable_of_any_prefix_is_a_warning(written: str, meant: str) -> None:
    assert Settings.read({**GOOD, written: "x"}).warnings == (f"{written} is unknown; did you mean {meant}?",)


@pytest.mark.parametrize(
    "other", ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "SHOPIFY_API_KEY", "LOG_LEVEL", "METRICS_PORT", "DATABASE_URLS"]
)
def test_another_programs_variable_is_no_typo(other: str) -> None:
    assert Settings.read({**GOOD, other: "x"}).warnings == ()


@pytest.mark.parametrize("written", ["'{}'", '"{}"', "\u201c{}\u201d", "{} # the first one"])
def test_quotes_and_comments_of_a_file_are_a_warning_that_shows_no_value(written: str) -> None:
    settings = Settings.read({**GOOD, "CJ_CONSOLE_PASSWORD": written.format("correct-horse-battery")})
    [warning] = settings.warnings
    assert warning.startswith("CJ_CONSOLE_PASSWORD has quotes or a comment")
    assert "horse" not in warning


def test_nothing_secret_is_shown() -> None:
    settings = Settings.read({**GOOD, "SHOPIFY_CLIENT_ID": "id", "SHOPIFY_CLIENT_SECRET": "client-secret"})
    for text in (repr(settings), str(settings.shown())):
        for secret in ("db-secret", "mq-secret", "cache-secret", KEY, OTHER_KEY, "client-secret"):
            assert secret not in text
    assert settings.shown().keys() == VARIABLES.keys()
    assert settings.shown()["DATABASE_URL"] == "postgresql://cj:***@db.example/cj"
    assert settings.shown()["CJ_TOKEN_KEYS"] == "2:***,1:***"


# Secrets in files


def in_files(folder: Path, **secrets: str) -> dict[str, str]:
    """The secrets written into files, and the variables that name these."""
    for name, text in secrets.items():
        (folder / name).write_text(f"{text}\n")
    return {f"{name}_FILE": str(folder / name) for name in secrets}


def test_every_secret_may_stand_in_a_file(tmp_path: Path) -> None:
    named = {**GOOD, "SHOPIFY_CLIENT_SECRET": "client-secret", "OPENAI_API_KEY": "sk-in-a-file"}
    secret = {name: text for name, text in named.items() if is_secret(name)}
    shown = {name: text for name, text in named.items() if not is_secret(name)}
    settings = Settings.read({**shown, "SHOPIFY_CLIENT_ID": "id", **in_files(tmp_path, **secret)})
    in_variables = Settings.read({**GOOD, "SHOPIFY_CLIENT_ID": "id", "SHOPIFY_CLIENT_SECRET": "client-secret"})
    assert settings.shown() == in_variables.shown()
    assert settings.warnings == ()
    assert {name: key.get_secret_value() for name, key in settings.provider_secrets.items()} == {
        "OPENAI_API_KEY": "sk-in-a-file"
    }
    assert "sk-in-a-file" not in repr(settings)


def test_every_variable_that_is_not_shown_may_stand_in_a_file() -> None:
    shown = Settings.read(
        {
            **GOOD,
            "SHOPIFY_CLIENT_ID": "id",
            "SHOPIFY_CLIENT_SECRET": "client-secret",
            "CJ_MODEL": "openai/x",
            **dict.fromkeys(("CJ_GATEWAY_CHAT_KEYS", "CJ_GATEWAY_SERVICE_TOKENS", "CJ_CONSOLE_PASSWORD"), "x" * 32),
        }
    ).shown()
    assert {name for name in VARIABLES if is_secret(name)} == {name for name, text in shown.items() if "***" in text}


def test_an_empty_file_counts_as_absent(tmp_path: Path) -> None:
    files = in_files(tmp_path, CJ_TOKEN_KEYS="", ANTHROPIC_API_KEY="")
    settings = Settings.read({**GOOD, **files, "CJ_TOKEN_KEYS": ""}, needed=())
    assert (settings.token_keys, dict(settings.provider_secrets)) == (None, {})


def test_a_file_that_cannot_be_read_is_named_and_nothing_of_what_it_holds(tmp_path: Path) -> None:
    files = in_files(tmp_path, DATABASE_URL="mysql://cj:leaked@db/cj", BROKER_URL="one\nleaked", REDIS_URL="redis://a")
    (tmp_path / "binary").write_bytes(b"leaked\xff\xfe")
    wrong = {**files, "REDIS_URL": "redis://b", "CJ_TOKEN_KEYS_FILE": "/no/such/file"}
    with pytest.raises(SettingsError) as caught:
        Settings.read(
            {
                **wrong,
                "CJ_MODEL": "demo",
                "SHOPIFY_CLIENT_ID": "id",
                "SHOPIFY_CLIENT_SECRET_FILE": str(tmp_path / "binary"),
            }
        )
    said = {problem.split()[0]: problem for problem in caught.value.problems}
    assert said.keys() == {
        "DATABASE_URL",
        "BROKER_URL_FILE",
        "REDIS_URL_FILE",
        "CJ_TOKEN_KEYS_FILE",
        "SHOPIFY_CLIENT_SECRET_FILE",
    }
    assert "more than one line" in said["BROKER_URL_FILE"]
    assert "set one of them" in said["REDIS_URL_FILE"]
    assert "No such file or directory" in said["CJ_TOKEN_KEYS_FILE"]
    assert "not UTF-8" in said["SHOPIFY_CLIENT_SECRET_FILE"]
    assert "leaked" not in str(caught.value)


def test_children_inherit_what_the_files_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, path in in_files(tmp_path, CJ_TOKEN_KEYS=GOOD["CJ_TOKEN_KEYS"]).items():
        monkeypatch.setenv(name, path)
    inherited = environment()
    assert inherited["CJ_TOKEN_KEYS"] == GOOD["CJ_TOKEN_KEYS"]
    assert "CJ_TOKEN_KEYS_FILE" not in inherited


def test_only_secrets_are_read_from_files(tmp_path: Path) -> None:
    files = in_files(tmp_path, CJ_MODEL="openai/x", AWS_WEB_IDENTITY_TOKEN="mine")
    settings = Settings.read({**GOOD, "CJ_MODEL": "", **files}, needed=())
    assert settings.model is None
    assert settings.provider_secrets == {}
    assert settings.warnings == ("CJ_MODEL_FILE is unknown; did you mean CJ_MODEL?",)


# Who gets which secret

KINDS = {"intake", "workflow", "agent", "shopify", "ops", "gateway", "auth", "console"}
SECRETS = {
    "CJ_TOKEN_KEYS": {"shopify", "ops", "auth"},
    "CJ_TOKEN_KEYS_FILE": {"shopify", "ops", "auth"},
    "CJ_GATEWAY_CHAT_KEYS": {"gateway"},
    "CJ_CONSOLE_PASSWORD_FILE": {"console"},
    "CJ_GATEWAY_SERVICE_TOKENS_FILE": {"gateway", "auth"},
    "SHOPIFY_CLIENT_ID": {"shopify"},
    "SHOPIFY_CLIENT_SECRET": {"shopify"},
    "OPENAI_API_KEY": {"agent"},
    "ANTHROPIC_API_KEY_FILE": {"agent"},
    "AWS_SECRET_ACCESS_KEY": {"agent"},
    "DATABASE_URL": KINDS,
    "PATH": KINDS,
}


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_a_process_gets_its_own_secrets_only(kind: str) -> None:
    given = environment_of(kind, dict.fromkeys(SECRETS, "x"))
    assert given.keys() == {name for name, kinds in SECRETS.items() if kind in kinds}


def test_what_is_not_listed_gets_no_secret() -> None:
    assert environment_of("store", dict.fromkeys(SECRETS, "x")).keys() == {"DATABASE_URL", "PATH"}


def test_a_secret_for_nothing_is_told() -> None:
    settings = Settings.read(GOOD)
    assert spare_secrets(settings, ["shopify"]) == spare_secrets(settings, ["workflow", "ops"]) == []
    assert spare_secrets(settings, ["agent"]) == [
        "CJ_TOKEN_KEYS is set, which only shopify, ops and auth need: do not give it to agent"
    ]


# What warns, what is refused, what is needed


@pytest.mark.parametrize(
    ("name", "url", "warns"),
    [
        ("OPENAI_API_BASE", "http://models.example/v1", True),
        ("OPENAI_BASE_URL", "http://10.0.0.1:8000", True),
        ("ANTHROPIC_API_BASE", "HTTP://models.example", True),
        ("AZURE_OPENAI_ENDPOINT", "http://models.example", True),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://traces.example", False),
        ("OPENAI_API_BASE", "http://127.0.0.1:8000/v1", False),
        ("OPENAI_API_BASE", "http://localhost:8000/v1", False),
        ("OPENAI_API_BASE", "http://[::1]:8000/v1", False),
        ("OPENAI_API_BASE", "https://models.example/v1", False),
        ("OPENAI_API_KEY", "http://models.example", False),
    ],
)
def test_a_model_on_another_machine_over_plain_http_warns(name: str, url: str, warns: bool) -> None:
    found = Settings.read({**GOOD, name: url}).warnings
    assert [warning.split()[0] for warning in found] == ([name] if warns else [])
    assert all("unencrypted" in warning and "https://" in warning for warning in found)


@pytest.mark.parametrize("text", ["http://[bad", "127.0.0.1:8000/v1", "htp://models.example", "http://models:99999"])
def test_an_address_that_is_none_warns(text: str) -> None:
    (warning,) = Settings.read({**GOOD, "OPENAI_API_BASE": text}).warnings
    assert warning == f"OPENAI_API_BASE is {text}, which is no URL; write https://HOST/PATH"
    assert Settings.read({**GOOD, "SHOP_BASE_URL": "/app"}).warnings == ()  # perhaps another program's


@pytest.mark.parametrize("written", [" {}", "{}\n", '"{}"', "'{}'"])
def test_an_address_is_stripped_as_keys_are(written: str) -> None:
    given = Settings.read({**GOOD, "OPENAI_API_BASE": written.format("https://models.example/v1")})
    assert given.provider_secrets["OPENAI_API_BASE"].get_secret_value() == "https://models.example/v1"
    assert given.warnings == ()


def test_a_warning_shows_no_password() -> None:
    (warning,) = Settings.read({**GOOD, "OPENAI_API_BASE": "http://me:pass-word@models.example"}).warnings
    assert "pass-word" not in warning


@pytest.mark.parametrize("name", ["BROKER_URL", "REDIS_URL"])
@pytest.mark.parametrize("option", ["ssl_cert_reqs=none", "ssl_check_hostname=false", "ssl_ca_certs=/nowhere/ca.pem"])
def test_a_server_that_would_not_be_verified_is_refused(name: str, option: str) -> None:
    (problem,) = problems(**{name: f"rediss://cj:pass-word@h/0?{option}"})
    assert problem.startswith(f"{name} asks for unsafe TLS: ")
    assert option.partition("=")[0] in problem
    assert "pass-word" not in problem


def test_what_is_needed_depends_on_the_kind() -> None:
    assert needed_by(["intake"]) == needed_by(["workflow"]) == ("DATABASE_URL", "BROKER_URL", "REDIS_URL")
    assert needed_by(["agent"])[3:] == ("CJ_MODEL",)
    assert needed_by(["shopify"])[3:] == ("CJ_TOKEN_KEYS",)


@pytest.mark.parametrize("written", ["sk-good\n", " sk-good ", '"sk-good"', "'sk-good'\n"])
def test_a_key_is_meant_without_the_line_break_and_the_quotes_around_it(written: str) -> None:
    settings = Settings.read({"OPENAI_API_KEY": written}, needed=())
    assert settings.provider_secrets["OPENAI_API_KEY"].get_secret_value() == "sk-good"


def test_a_key_that_stands_as_it_is_meant_stays_where_it_is() -> None:
    assert Settings.read({"OPENAI_API_KEY": "sk-good"}, needed=()).provider_secrets == {}


@pytest.mark.parametrize("written", ["sk-one\nsk-two", "sk good", "sk-gö", "sk-\u200bgood"])
def test_what_cannot_be_a_key_is_refused_by_name(written: str) -> None:
    with pytest.raises(SettingsError, match="OPENAI_API_KEY has a space, a line break") as caught:
        Settings.read({"OPENAI_API_KEY": written}, needed=())
    assert written not in str(caught.value)


def test_certificates_that_are_not_there_are_a_warning() -> None:
    [warning] = Settings.read({"SSL_CERT_FILE": "/nowhere/ca.pem"}, needed=()).warnings
    assert "SSL_CERT_FILE is '/nowhere/ca.pem', which is not there" in warning
