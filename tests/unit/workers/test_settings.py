"""Settings: all problems are reported at once, and no secret is ever shown."""

from pathlib import Path

import pytest

from shopify.version import API_VERSION
from workers.settings import VARIABLES, Settings, SettingsError, needed_by

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
        }
    )
    assert settings.model_fallbacks == ("anthropic/claude-haiku-4-5", "openai/gpt-5-nano")
    assert settings.shopify_client_secret is not None
    assert settings.shopify_client_secret.get_secret_value() == "client-secret"
    assert settings.shopify_admin_url == "http://127.0.0.1:4010/{shop}/admin"
    assert settings.workflows_folder == tmp_path
    assert settings.recovery_factor == 0.2
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
        ("BROKER_URL", "memory://", "redis://"),
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
    ],
)
def test_wrong_value(variable: str, value: str, said: str) -> None:
    (problem,) = problems(**{variable: value})
    assert problem.startswith(variable + " ")
    assert said in problem
    assert "leaked" not in problem


def test_values_that_belong_together() -> None:
    assert problems(SHOPIFY_CLIENT_ID="id")[0].startswith("SHOPIFY_CLIENT_SECRET is not set")
    assert problems(SHOPIFY_CLIENT_SECRET="s")[0].startswith("SHOPIFY_CLIENT_ID is not set")
    alone = problems(CJ_MODEL="", CJ_MODEL_FALLBACKS="openai/gpt-5-mini")
    assert alone[1].startswith("CJ_MODEL_FALLBACKS is set without")


def test_misspelt_variable_is_a_warning() -> None:
    settings = Settings.read({**GOOD, "CJ_MODLE": "openai/gpt-5-mini", "CJ_SERVICE_HOST": "10.0.0.1"})
    assert settings.warnings == ("CJ_MODLE is unknown; did you mean CJ_MODEL?",)


def test_nothing_secret_is_shown() -> None:
    settings = Settings.read({**GOOD, "SHOPIFY_CLIENT_ID": "id", "SHOPIFY_CLIENT_SECRET": "client-secret"})
    for text in (repr(settings), str(settings.shown())):
        for secret in ("db-secret", "mq-secret", "cache-secret", KEY, OTHER_KEY, "client-secret"):
            assert secret not in text
    assert settings.shown().keys() == VARIABLES.keys()
    assert settings.shown()["DATABASE_URL"] == "postgresql://cj:***@db.example/cj"
    assert settings.shown()["CJ_TOKEN_KEYS"] == "2:***,1:***"


@pytest.mark.parametrize(
    ("name", "url", "warns"),
    [
        ("OPENAI_API_BASE", "http://models.example/v1", True),
        ("OPENAI_BASE_URL", "http://10.0.0.1:8000", True),
        ("ANTHROPIC_API_BASE", "HTTP://models.example", True),
        ("OPENAI_API_BASE", "http://127.0.0.1:8000/v1", False),
        ("OPENAI_API_BASE", "http://localhost:8000/v1", False),
        ("OPENAI_API_BASE", "http://[::1]:8000/v1", False),
        ("OPENAI_API_BASE", "https://models.example/v1", False),
        ("OPENAI_API_KEY", "http://models.example", False),
        ("OPENAI_API_BASE", "http://[bad", False),
    ],
)
def test_a_model_on_another_machine_over_plain_http_warns(name: str, url: str, warns: bool) -> None:
    found = Settings.read({**GOOD, name: url}).warnings
    assert [warning.split()[0] for warning in found] == ([name] if warns else [])
    assert all("unencrypted" in warning and "https://" in warning for warning in found)


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
