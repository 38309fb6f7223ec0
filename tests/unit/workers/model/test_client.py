import subprocess
import sys
from pathlib import Path

import pytest

from workers.model.client import Model
from workers.model.demo import DEMO
from workers.model.errors import ModelUnavailable

ROOT = Path(__file__).parents[4]
TOOLS = [
    {
        "type": "function",
        "function": {"name": "shopify_data", "description": "Store data", "parameters": {"type": "object"}},
    }
]


def run_python(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_importing_the_module_does_not_import_litellm() -> None:
    assert run_python("import sys, workers.model.client; print('litellm' in sys.modules)").strip() == "False"


def test_litellm_is_imported_quietly_offline_and_leaves_no_thread_behind() -> None:
    code = """
import logging, os, threading
logging.basicConfig(level=logging.DEBUG)
from workers.model import client as model
m = model.Model(["anthropic/x"])
print(m.problems(), os.environ["LITELLM_LOCAL_MODEL_COST_MAP"], os.environ["LITELLM_MODE"], threading.active_count())
import litellm
print(litellm.callbacks, litellm.success_callback, litellm.failure_callback, litellm.telemetry)
"""
    assert run_python(code).splitlines() == ["() True PRODUCTION 1", "[] [] [] False"]


def test_without_a_name_the_demo_model_answers() -> None:
    model = Model(["demo"])
    assert model.names == (DEMO,)
    answer = model.ask([{"role": "user", "content": "[system event] show_shopify_insights"}], TOOLS, timeout=20)
    assert answer.model == DEMO
    assert [(call.name, call.arguments) for call in answer.tool_calls] == [("shopify_data", {"data_type": "counts"})]


def test_the_demo_model_answers_in_words_when_no_tools_are_offered() -> None:
    answer = Model(["demo"]).ask([{"role": "user", "content": "Who are you?"}], None, timeout=20)
    assert answer.tool_calls == ()
    assert "demo model" in str(answer.text)


def test_a_configured_model_is_never_replaced_by_the_demo() -> None:
    model = Model(["nonsense/x"])
    assert model.names == ("nonsense/x",)
    with pytest.raises(ModelUnavailable, match=r"nonsense/x: .*unknown provider in litellm"):
        model.ask([{"role": "user", "content": "hi"}], None, timeout=5)


def test_names_that_cannot_be_right_are_found_without_a_call(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test-key")
    assert Model(["openai/x", "anthropic/y", DEMO]).problems() == ()
    (problem,) = Model(["openai/x", "nonsense"]).problems()
    assert "'nonsense'" in problem


def test_a_model_of_openai_needs_a_key_or_another_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "")
    (problem,) = Model(["openai/x"]).problems()
    assert "OPENAI_API_KEY" in problem
    monkeypatch.setenv("OPENAI_API_BASE", "http://127.0.0.1:9/v1")
    assert Model(["openai/x"]).problems() == ()


def test_a_model_that_a_workflow_names_is_looked_at_like_the_operators(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "")
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)
    operators = Model([DEMO])
    assert operators.problems({"demo": "a", "anthropic/y": "b"}) == ()
    (problem,) = operators.problems({"opnai/gpt": "a"})
    assert problem.startswith("workflow 'a': model 'opnai/gpt': unknown provider")
    # Without a key a worker may start, but whoever starts it is told.
    assert operators.missing_keys({"demo": "a", "anthropic/y": "b", "openai/x": "c", "ollama_chat/z": "d"}) == (
        "workflow 'b': model 'anthropic/y': set ANTHROPIC_API_KEY",
        "workflow 'c': model 'openai/x': set OPENAI_API_KEY, or OPENAI_API_BASE for your own server",
    )
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-x")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-x")
    assert operators.missing_keys({"anthropic/y": "b", "openai/x": "c"}) == ()


def test_a_way_to_a_model_that_drops_tools_is_refused_with_the_one_that_does_not() -> None:
    (problem,) = Model(["ollama/llama3"]).problems()
    assert "sends no tools to ollama" in problem
    assert "write ollama_chat/llama3" in problem
    assert Model(["ollama_chat/llama3"]).problems() == ()


def test_a_call_may_name_other_models() -> None:
    answer = Model(["nonsense/x"]).ask([{"role": "user", "content": "hi"}], None, timeout=20, names=[DEMO])
    assert answer.model == DEMO


@pytest.mark.parametrize("timeout", [0, -5])
def test_with_no_time_at_all_nobody_is_asked(timeout: float) -> None:
    with pytest.raises(ModelUnavailable, match="no time left"):
        Model(["demo"]).ask([{"role": "user", "content": "hi"}], None, timeout=timeout)


def test_warming_up_leaves_nothing_to_import_and_little_to_collect_and_asks_nobody() -> None:
    code = """
import gc, os, sys
from tests.openai_server import OpenAIServer, Say
from workers.model.client import Model
tools = [{"type": "function", "function": {"name": "shopify_data", "parameters": {"type": "object"}}}]
with OpenAIServer([Say("hello")]) as server:
    os.environ["OPENAI_API_BASE"] = server.base_url
    model = Model(["openai/x"])
    model.warm_up()
    print(len(server.requests), gc.isenabled(), len(gc.get_objects()) < 10_000 < gc.get_freeze_count())
    before = set(sys.modules)
    assert model.ask([{"role": "user", "content": "hi"}], tools, timeout=20, max_output_tokens=5).text == "hello"
    print(sorted(set(sys.modules) - before))
"""
    assert run_python(code).splitlines() == ["0 True True", "[]"]


def test_warming_up_twice_or_with_a_name_nobody_knows_is_harmless() -> None:
    model = Model(["openai/x", "nonsense", DEMO])
    model.warm_up()
    model.warm_up()
