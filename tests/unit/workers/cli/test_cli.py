"""The command line itself: help, suggestions, exit codes, and what needs no server."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from pydantic import SecretStr

from events.errors import InvalidEvent
from tests.cj import Terminal
from workers.cli import COMMANDS, cj
from workers.cli.check import check_model
from workers.cli.common import WrongUse
from workers.cli.publish import data_of
from workers.cli.secrets import files
from workers.cli.tokens import read_response
from workers.cli.up import readable
from workers.evaluate import evaluation
from workers.local.home import Home
from workers.settings import Settings


@pytest.fixture
def terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Terminal:
    return Terminal(tmp_path, monkeypatch, {})


def commands(group: click.Group, words: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, (*words, name))
        else:
            yield (*words, name), command


@pytest.mark.parametrize("words", [words for words, _ in commands(cj)], ids=" ".join)
def test_every_command_has_help_with_an_example(terminal: Terminal, words: tuple[str, ...]) -> None:
    shown = terminal(*words, "--help").stdout
    assert "Examples:" in shown
    assert f"cj {' '.join(words)}" in shown.split("Examples:")[1]


def test_help_lists_every_command(terminal: Terminal) -> None:
    shown = terminal("--help").stdout
    for name in cj.commands:
        assert f"\n  {name} " in shown


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["publsh"], "Did you mean 'publish'?"),
        (["demo", "--stor", "new"], "Did you mean '--store'?"),
        (["demo", "--store", "vast"], "'medium'"),
        (["demo", "--fault", "unauthorised"], "unauthorized"),
        (["up", "--only", "agnet"], "intake, workflow, agent"),
        (["check", "--kind", "agnet"], "intake, workflow, agent"),
        (["publish", "zzz"], "valid types: oauth_complete,"),
        (["timeline"], "CONVERSATION"),
        (["replies", "--once", "99999999999999999999"], "1<=x<=1000000"),
        (["workflows", "check", "nowhere.yaml"], "nowhere.yaml"),
        (["workflows", "explain", "-", "--context", "[]"], "not a JSON object"),
        (["store-token", "acme.example.com"], "myshopify.com"),
    ],
)
def test_wrong_use_ends_with_2_and_says_what_is_right(terminal: Terminal, arguments: list[str], said: str) -> None:
    environ = {
        "DATABASE_URL": "postgresql:///cj",
        "BROKER_URL": "redis://127.0.0.1:1/0",
        "CJ_TOKEN_KEYS": "1:" + "A" * 43 + "=",
    }
    event = '{"specversion":"1.0","id":"1","source":"/s","type":"shop_redact","time":"2026-11-22T10:00:00Z",'
    event += '"data":{"merchant_id":"m","shop_domain":"a.myshopify.com"}}'
    assert said in terminal(*arguments, typed=event, code=2, **environ).stderr


def test_an_error_moves_no_cursor(capsys: pytest.CaptureFixture[str]) -> None:
    WrongUse("no \x1b[2J here").show()
    assert capsys.readouterr().err == "cj: no \N{REPLACEMENT CHARACTER}[2J here\n"


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["check"], ["DATABASE_URL", "BROKER_URL", "REDIS_URL"]),
        (["publish", "shop_redact"], ["BROKER_URL"]),
        (["replies"], ["DATABASE_URL"]),
        (["chat", "m1"], ["DATABASE_URL", "BROKER_URL"]),
        (["timeline", "c1"], ["DATABASE_URL"]),
        (["events", "rejected"], ["DATABASE_URL"]),
        (["turns", "dead"], ["DATABASE_URL"]),
        (["migrate"], ["DATABASE_URL"]),
        (["store-token", "a.myshopify.com"], ["DATABASE_URL", "CJ_TOKEN_KEYS"]),
    ],
)
def test_without_servers_it_says_which_variables_and_the_way_out(
    terminal: Terminal, arguments: list[str], named: list[str]
) -> None:
    said = terminal(*arguments, code=2).stderr
    assert [line.split()[0] for line in said.splitlines()[1:-1]] == named
    assert "run `cj up` in another terminal" in said.splitlines()[-1]


def test_check_as_json_names_the_problems(terminal: Terminal) -> None:
    found = terminal.json("check", code=2, CJ_LOG_LEVEL="loud")
    assert found["ok"] is False
    assert [problem.split()[0] for problem in found["problems"]][-1] == "CJ_LOG_LEVEL"


def test_new_keys_are_good_and_never_the_same(terminal: Terminal) -> None:
    first, second = terminal("tokens", "new-key").stdout, terminal("tokens", "new-key", "--id", "2").stdout
    assert first.startswith("1:")
    assert second.startswith("2:")
    both = f"{second.strip()},{first.strip()}"
    assert "CJ_TOKEN_KEYS" not in str(terminal.json("check", code=2, CJ_TOKEN_KEYS=both)["problems"])


def test_another_terminal_need_not_have_the_key_that_the_agents_here_have(
    terminal: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_API_BASE"):
        monkeypatch.delenv(name, raising=False)
    settings = Settings.read({"CJ_MODEL": "openai/x"}, needed=())
    assert not check_model(settings).ok
    home = Home(tmp_path / ".cj")
    with home.owned():
        home.announce({"CJ_MODEL": "openai/x"})
        assert check_model(settings).ok
    assert not check_model(settings).ok


def test_check_as_one_kind_needs_only_what_that_kind_needs(terminal: Terminal) -> None:
    def needed(*kind: str) -> set[str]:
        return {problem.split()[0] for problem in terminal.json("check", *kind, code=2)["problems"]}

    assert needed() == needed("--kind", "intake") == {"DATABASE_URL", "BROKER_URL", "REDIS_URL"}
    assert needed("--kind", "shopify") - needed() == {"CJ_TOKEN_KEYS"}
    assert needed("--kind", "agent") - needed() == {"CJ_MODEL"}


@pytest.mark.parametrize("name", list(COMMANDS))
def test_the_help_says_of_each_command_what_the_command_says(name: str) -> None:
    command = cj.get_command(click.Context(cj), name)
    assert command is not None
    assert (command.name, command.get_short_help_str(100)) == (name, COMMANDS[name][1])


QUICK = (
    "import sys; from click.testing import CliRunner; from workers.cli import cj;"
    "print(CliRunner().invoke(cj, sys.argv[1:]).exit_code, *sorted({'pydantic', 'kombu', 'sqlalchemy', 'celery',"
    "'structlog', 'alembic', 'litellm', 'httpx', 'redis', 'graphql', 'aiohttp', 'prometheus_client'}"
    "& set(sys.modules)))"
)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--help"], "0"),
        (["timeline", "c1"], "2 pydantic"),
        (["store-token", "a.myshopify.com"], "2 pydantic"),
        (["publish", "shop_redact"], "2 pydantic"),
        (["workflows", "check"], "0 pydantic"),
        (["tokens", "new-key"], "0 pydantic"),
        (["workflows", "prompt", "none"], "2 pydantic"),
        (["workflows", "prompt", "ad_hoc_support", "--text", "hello"], "0 pydantic"),
        (["workflows", "test", "."], "2 pydantic"),
    ],
)
def test_a_command_without_work_imports_what_it_needs_to_say_so(
    tmp_path: Path, arguments: list[str], told: str
) -> None:
    environ = {"PATH": os.environ["PATH"], "PYTHONPATH": str(Path(__file__).parents[4])}
    command = [sys.executable, "-c", QUICK, *arguments]
    done = subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == told


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "gbk"])
def test_what_a_terminal_cannot_show_is_a_question_mark(tmp_path: Path, encoding: str) -> None:
    faulty = tmp_path / "faulty.yaml"
    faulty.write_text("name: \u06a9\u062a\u0627\u0628 \U0001fa77\n", encoding="utf-8")
    environ = {"PATH": os.environ["PATH"], "PYTHONIOENCODING": encoding}
    command = [sys.executable, "-m", "workers", "workflows", "check", str(faulty)]
    done = subprocess.run(command, cwd=Path(__file__).parents[4], env=environ, capture_output=True, check=False)
    assert (done.returncode, b"Traceback" in done.stderr) == (1, False)
    assert b"name: ????" in done.stdout


def test_signals_that_a_parent_ignored_or_blocked_come_through() -> None:
    script = """
import signal, sys
from workers import cli
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGCHLD, signal.SIGTERM])
cli.cj = lambda prog_name: print(signal.getsignal(signal.SIGCHLD).name, signal.pthread_sigmask(signal.SIG_BLOCK, ()))
cli.main()
"""
    command = [sys.executable, "-c", script]
    assert subprocess.check_output(command, cwd=Path(__file__).parents[4], text=True) == "SIG_DFL set()\n"


WAITING = """
import signal
from workers import cli
from workers.__main__ import main
def wait(prog_name):
    print(signal.getsignal(signal.SIGHUP) == signal.SIG_IGN, flush=True)
    signal.pause()
cli.cj = wait
main()
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_who_ends_a_command_ends_it_as_ctrl_c_does(number: signal.Signals) -> None:
    as_in_a_terminal = "import signal; signal.signal(signal.SIGHUP, signal.SIG_DFL)"  # the tests may run under nohup
    command = [sys.executable, "-c", as_in_a_terminal + WAITING]
    out = subprocess.PIPE
    with subprocess.Popen(command, cwd=Path(__file__).parents[4], text=True, stdout=out, stderr=out) as waiting:
        assert waiting.stdout is not None
        assert waiting.stdout.readline() == "False\n"
        waiting.send_signal(number)
        assert (waiting.communicate(timeout=30)[1], waiting.returncode) == ("cj: interrupted\n", 1)


def test_a_closed_terminal_does_not_end_what_nohup_started() -> None:
    command = ["nohup", sys.executable, "-c", WAITING]
    with subprocess.Popen(command, cwd=Path(__file__).parents[4], text=True, stdout=subprocess.PIPE) as waiting:
        assert waiting.stdout is not None
        assert waiting.stdout.readline() == "True\n"
        waiting.terminate()


def test_closed_streams_are_empty() -> None:
    """As services are started by some supervisors."""
    code = "import sys; from workers.cli import main; sys.argv = ['cj', 'store-token', 'a.myshopify.com']; main()"
    command = f'exec "{sys.executable}" -c "{code}" <&- >&-'
    environ = {"PATH": os.environ["PATH"]}
    done = subprocess.run(
        ["bash", "-c", command], cwd=Path(__file__).parents[4], env=environ, capture_output=True, check=False
    )
    assert (done.returncode, b"Traceback" in done.stderr) == (2, False)


WITHOUT_SETTINGS = """
    replies, gateway, gateway --auth, chat-token m1, privacy export 1, migrate, check, publish shop_redact,
    status, why m1, merchant m1, usage, turns failed, turns retry 1, events rejected, events retry x,
    privacy requests, tokens reseal, tokens migrate-from-redis, evaluate, chat m1, workflows replay,
    workflows explain --stored x
"""


def test_who_lacks_settings_or_uses_a_command_wrongly_hears_so_at_once(tmp_path: Path) -> None:
    # One process for all: what one of them imports in vain shows from there on.
    wrong = [" ".join((*words, "--no-such-option")) for words, _ in commands(cj)]
    asked = [*wrong, *map(str.strip, WITHOUT_SETTINGS.split(","))]
    environ = {"PATH": os.environ["PATH"], "PYTHONPATH": str(Path(__file__).parents[4])}
    each = QUICK.replace("sys.argv[1:]", "each.split()").split("print(")
    script = f"{each[0]}\nfor each in sys.argv[1:]: print(each + ':', {each[1]}"
    command = [sys.executable, "-c", script, *asked]
    done = subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [f"{each}: 2 pydantic" for each in asked]


def test_workflows_check(terminal: Terminal, tmp_path: Path) -> None:
    # The specification's own start_tier, and a hint that the checked files may not be the intended ones.
    last = "1 warning in 2 files, the shipped ones; to check your own, pass their folder or set CJ_WORKFLOWS"
    shown = terminal("workflows", "check").stdout
    assert f"\n{last}\n\nwho opens a new conversation" in shown
    (tmp_path / "mine").mkdir()
    heard = "system_events: {oauth_complete: {actions: [{type: process_message, message: hi}]}}\n"
    (tmp_path / "mine" / "greeting.yaml").write_text(
        f"name: greeting\ndescription: d\n{heard}prompts: {{cj: {{system: Hi.}}}}\n"
    )
    mine = terminal("workflows", "check", CJ_WORKFLOWS=str(tmp_path / "mine")).stdout
    assert mine.startswith("0 errors in 1 file\n\nwho opens a new conversation")
    (tmp_path / "mine" / "workflow.schema.json").write_text("{}")
    broken = tmp_path / "mine" / "broken.yaml"
    broken.write_text("name: broken\nbehaviour: {}\n")
    shown = terminal("workflows", "check", str(broken), code=1).stdout
    assert "broken.yaml:2:1" in shown
    assert "workflow.schema.json, which editors use, is out of date" in shown
    assert "behavior" in shown
    problems = terminal.json("workflows", "check", str(broken), code=1)
    assert {"file", "line", "col", "severity", "message"} <= problems[0].keys()


def test_workflows_check_looks_at_the_models_that_workflows_name(terminal: Terminal, tmp_path: Path) -> None:
    model = "model: {name: opnai/gpt-5, fallbacks: [anthropic/y, nonsense]}\n"
    text = f"name: greeting\ndescription: d\n{model}prompts: {{cj: {{system: Hi.}}}}\n"
    (tmp_path / "greeting.yaml").write_text(text)
    found = terminal.json("workflows", "check", str(tmp_path), code=1)
    assert [(one["col"], one["message"].split(";")[0]) for one in found] == [
        (15, "model 'opnai/gpt-5': unknown provider"),
        (53, "model 'nonsense': unknown provider"),
    ]


def test_workflows_schema_is_json(terminal: Terminal) -> None:
    assert json.loads(terminal("workflows", "schema").stdout)["type"] == "object"


def test_the_schema_needs_no_docstrings() -> None:
    command = [sys.executable, "-OO", "-m", "workers", "workflows", "schema"]
    done = subprocess.run(command, cwd=Path(__file__).parents[4], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["title"] == "CJ workflow"


def test_workflows_schema_has_the_names_of_the_folder_and_an_old_copy_is_noticed(
    terminal: Terminal, tmp_path: Path
) -> None:
    for name in ("second", "third"):
        behavior = "behavior: {opens: []}\n" if name == "third" else ""
        text = f"name: {name}\ndescription: d\n{behavior}prompts: {{cj: {{system: Hi.}}}}\n"
        (tmp_path / f"{name}.yaml").write_text(text)
    made = terminal("workflows", "schema", CJ_WORKFLOWS=str(tmp_path)).stdout
    targets = json.loads(made)["$defs"]["TransitionSection"]["properties"]["target_workflow"]["enum"]
    assert targets == ["second", "third"]
    copy = tmp_path / "workflow.schema.json"
    copy.write_text(made)
    assert "out of date" not in terminal("workflows", "check", str(tmp_path)).stdout
    copy.write_text(made.replace("third", "fourth"))
    assert f"cj workflows schema > {copy}" in terminal("workflows", "check", str(tmp_path)).stdout


def test_workflows_explain(terminal: Terminal) -> None:
    event = {"specversion": "1.0", "id": "1", "source": "/auth", "type": "oauth_complete"}
    data = {"provider": "shopify", "success": True, "shop_domain": "a.myshopify.com", "merchant_id": "m"}
    typed = json.dumps({**event, "data": data})
    one = ("workflows", "explain", "-", "--workflow", "shopify_onboarding")
    assert "provider == 'shopify'" in terminal(*one, typed=typed).stdout
    (found,) = terminal.json(*one, typed=typed)
    assert (found["workflow"], found["taken"]) == ("shopify_onboarding", 0)
    assert len(terminal.json("workflows", "explain", "-", typed=typed)) == 2
    failed = typed.replace("true", "false").replace('"shopify"', '"woo"')
    assert "provider != 'shopify' and success == false" in terminal(*one, typed=failed).stdout
    refused = terminal(*one, typed=typed.replace("true", '"true"'), code=2).stderr
    assert "event." in refused
    unknown = terminal("workflows", "explain", "-", "--workflow", "onboarding", typed=typed, code=2).stderr
    assert "no workflow is named 'onboarding'" in unknown


def test_workflows_explain_begins_with_who_opens_a_conversation(terminal: Terminal) -> None:
    data = {"provider": "shopify", "success": True, "shop_domain": "a.myshopify.com", "merchant_id": "m"}
    event = {"specversion": "1.0", "id": "1", "source": "/auth", "type": "oauth_complete", "data": data}
    alone = terminal("workflows", "explain", "-", typed=json.dumps(event)).stdout
    assert alone.startswith("oauth_complete opens a conversation in shopify_onboarding, because its rule 1 (line 30)")
    assert "ad_hoc_support\n" not in alone
    everywhere = terminal("workflows", "explain", "-", "--all", typed=json.dumps(event)).stdout
    assert "oauth_complete in workflow ad_hoc_support\n" in everywhere
    moved = {**event, "type": "app_uninstalled", "time": "2026-11-22T10:00:00Z"}
    shown = terminal("workflows", "explain", "-", typed=json.dumps(moved)).stdout
    assert shown.startswith("app_uninstalled opens no conversation: it reaches the merchant's latest open one")
    assert "in workflow ad_hoc_support" in shown


def test_workflows_prompt_shows_what_a_model_is_sent(terminal: Terminal, tmp_path: Path) -> None:
    data = {"provider": "shopify", "success": True, "shop_domain": "a.myshopify.com", "merchant_id": "m"}
    event = {"specversion": "1.0", "id": "1", "source": "/auth", "type": "oauth_complete", "data": data}
    (tmp_path / "event.json").write_text(json.dumps(event))
    sent = terminal.json("workflows", "prompt", "shopify_onboarding", "--event", str(tmp_path / "event.json"))
    system, asked = sent["messages"]
    assert system["content"].startswith("You are CJ, a customer support AI assistant helping a merchant connect")
    assert '"shop_domain": "a.myshopify.com"' in system["content"]
    assert asked["content"].startswith("[system event] show_shopify_insights")
    assert sent["tools"][0]["function"]["name"] == "shopify_data"
    context = json.dumps({"turns": 3, "plan": "plus"})
    shown = terminal("workflows", "prompt", "ad_hoc_support", "--text", "How was my week?", "--context", context).stdout
    assert '"plan": "plus"' in shown
    assert "How was my week?" in shown
    assert "tokens in all; parts of the context that the model does not see: turns" in shown
    assert (
        terminal("workflows", "prompt", "shopify_onboarding").stdout.count("Ready to connect your Shopify store") == 1
    )
    assert "no rule queues a message" in terminal("workflows", "prompt", "ad_hoc_support", code=2).stderr
    assert "did you mean" in terminal("workflows", "prompt", "onboarding", code=2).stderr


def test_chat_begins_a_conversation_or_continues_one(terminal: Terminal) -> None:
    both = terminal("chat", "m1", "--workflow", "a", "--conversation", "c", code=2).stderr
    assert "--workflow starts a new conversation, --conversation continues one" in both


def test_values_are_read_as_their_fields_want_them() -> None:
    pairs = ["provider=shopify", "success=true", "merchant_id=12345", "shop_domain=a.myshopify.com", "error=true"]
    assert data_of("oauth_complete", pairs) == {
        "provider": "shopify",
        "success": True,
        "merchant_id": "12345",
        "shop_domain": "a.myshopify.com",
        "error": "true",
    }
    assert data_of("customers_redact", ['order_ids=["1", "2"]']) == {"order_ids": ["1", "2"]}
    assert data_of("customers_redact", ["order_ids=1, 2"]) == {"order_ids": ["1", "2"]}
    assert data_of("message_received", ["text=a=b"]) == {"text": "a=b"}


def test_what_does_not_fit_is_left_for_the_event_to_refuse() -> None:
    assert data_of("oauth_complete", ["success=yes"]) == {"success": "yes"}
    with pytest.raises(InvalidEvent):
        data_of("oauth_completed", [])


@pytest.mark.parametrize("pairs", [["success"], ["=true"], ["success=true", "success=false"]])
def test_pairs_that_are_none(pairs: list[str]) -> None:
    with pytest.raises(WrongUse):
        data_of("oauth_complete", pairs)


def test_publish_says_what_is_wrong(terminal: Terminal) -> None:
    broker = {"BROKER_URL": "redis://127.0.0.1:1/0"}
    said = terminal("publish", "oauth_complete", "success=maybe", "shpo_domain=x", code=2, **broker).stderr
    assert said.startswith("cj: not published: ")
    assert "success" in said
    assert "did you mean oauth_complete?" in terminal("publish", "oauth_complet", code=2, **broker).stderr
    # What is missing is what was misspelt.
    said = terminal("publish", "shop_redact", "merchant_id=m", "shop_domian=a.myshopify.com", code=2, **broker).stderr
    assert 'shop_domain is missing; shop_redact has no field "shop_domian" (did you mean shop_domain?)' in said


def test_publish_without_a_broker_is_a_problem_not_a_traceback(terminal: Terminal) -> None:
    pairs = ["merchant_id=m", "shop_domain=a.myshopify.com"]
    said = terminal("publish", "shop_redact", *pairs, code=1, BROKER_URL="redis://:secret@127.0.0.1:1/0").stderr
    assert "did not take the event" in said
    assert "secret" not in said


def test_a_plain_token() -> None:
    answer = read_response("  shpat_0123456789\n")
    assert answer.access_token.get_secret_value() == "shpat_0123456789"
    assert (answer.scopes, answer.expires_in, answer.refresh_token) == ((), None, None)
    assert "0123456789" not in repr(answer)


def test_shopifys_whole_answer() -> None:
    answer = read_response(
        json.dumps(
            {
                "access_token": "shpat_0123456789",
                "expires_in": 3600,
                "refresh_token": "shprt_0123456789",
                "refresh_token_expires_in": 7776000,
                "scope": "read_orders,read_products",
            }
        )
    )
    assert (answer.scopes, answer.expires_in) == (("read_orders", "read_products"), 3600)
    assert (answer.refresh_token, answer.refresh_token_expires_in) == (SecretStr("shprt_0123456789"), 7776000)


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "short",
        "shpat_leaked00 shpat_leaked11",
        "shpat_leaked00\nshpat_leaked11",
        "shpat_leaked00é",
        '{"access_token": "shpat_leaked00"',
        '{"token": "shpat_leaked00"}',
        '{"access_token": 7}',
        '{"access_token": "shpat_leaked00", "expires_in": "soon"}',
        '{"access_token": "shpat_leaked00", "refresh_token": "leaked"}',
    ],
)
def test_what_is_no_token_is_refused_without_repeating_it(typed: str) -> None:
    with pytest.raises(WrongUse) as refused:
        read_response(typed)
    assert "leaked" not in str(refused.value)


def test_log_lines_for_people() -> None:
    line = {
        "time": "2026-11-22T10:00:01.234567Z",
        "level": "info",
        "kind": "agent",
        "event": "turn claimed",
        "turn_id": 7,
    }
    assert readable(json.dumps(line)) == "10:00:01.234 info    turn claimed  turn_id=7"
    assert readable("plain shpat_secret0") == "plain shpat_***"
    assert readable("[1]") == "[1]"
    assert readable(json.dumps({**line, "exception": "Traceback\n  …"})).endswith("turn_id=7\nTraceback\n  …")


@pytest.mark.skipif(sys.platform != "linux", reason="needs /dev/full")
def test_a_full_disk_is_named() -> None:
    with Path("/dev/full").open("w") as full:
        command = [sys.executable, "-m", "workers", "--help"]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "cj: No space left on device\n")


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
@pytest.mark.parametrize(
    "option", [["explain", "/proc/self/mem"], ["prompt", "ad_hoc_support", "--event", "/proc/self/mem"]]
)
def test_a_file_that_cannot_be_read_is_a_sentence(option: list[str]) -> None:
    command = [sys.executable, "-m", "workers", "workflows", *option]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "cj: Input/output error\n")


def test_a_page_that_cannot_be_written_takes_no_result_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(evaluation, "evaluate", lambda *_, **__: {"is_good": True})
    monkeypatch.setattr("workers.evaluate.page.page", lambda _: "<html>")
    arguments = ["evaluate", "--scripted", "--json", "--page", str(tmp_path / "nowhere" / "page.html")]
    with pytest.raises(FileNotFoundError):
        cj.main(arguments, prog_name="cj", standalone_mode=False)
    assert capsys.readouterr().out == '{"is_good": true}\n'


def test_secrets_that_a_full_disk_cut_short_are_written_again(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "workers", "secrets", "--folder", str(tmp_path / "secrets")]
    full = ["bash", "-c", 'ulimit -f 0; exec "$@"', "bash", *command]
    done = subprocess.run(full, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, f"cj: cannot write to {tmp_path / 'secrets'} (File too large)\n")
    subprocess.run(command, check=True, capture_output=True)
    written = sorted(path for path in (tmp_path / "secrets").iterdir() if path.stat().st_size)
    assert [path.name for path in written] == sorted(name for name, make in files().items() if make())


@pytest.mark.parametrize(
    "arguments",
    [
        ["chat", "\u202em1"],
        ["chat", "m1", "--conversation", "a\nb"],
        ["chat-token", ""],
        ["store-token", "a.myshopify.com", "--merchant-id", "x" * 201],
        ["merchants", "move", "a.myshopify.com", "--to", " "],
    ],
)
def test_what_is_no_id_is_refused_at_once(terminal: Terminal, arguments: list[str]) -> None:
    assert "an id is 1 to 200 printable characters" in terminal(*arguments, code=2).stderr


def test_the_console_script_ends_with_the_same_codes(tmp_path: Path) -> None:
    code = "from workers.cli import main; main()"
    done = subprocess.run([sys.executable, "-c", code, "publsh"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 2
    assert "Did you mean" in done.stderr
