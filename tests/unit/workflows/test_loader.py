"""Files become workflows, or one error that lists every problem."""

import hashlib
import time
from pathlib import Path

import pytest

from tests.unit.workflows.builders import folder, text, workflow
from workflows.errors import InvalidWorkflows, UnknownWorkflow, WorkflowError
from workflows.loader import check_paths, load_folder, load_text

CJ_BEGINS = """
    behavior:
      initiator: cj
      initial_action:
        type: process_message
        message: hello
    """
NO_OPENING = "behavior: {opens: []}\n"
RULE = """
    system_events:
      oauth_complete:
        actions:
          - type: process_message
            message: hello
    """


def test_a_workflow_that_says_nothing_more_has_the_defaults() -> None:
    plain = workflow()
    assert (plain.name, plain.definition.description, plain.prompt) == ("greeting", "For a test", "You are CJ.")
    assert plain.tools is None
    assert plain.requirements == frozenset()
    assert (plain.limits.max_tool_rounds, plain.limits.turn_timeout_seconds) == (6, 60)
    assert (plain.limits.pause_between_messages_seconds, plain.limits.max_history_messages) == (1.0, 40)
    assert (plain.model.name, plain.model.fallbacks, plain.model.temperature) == (None, [], None)
    assert plain.model.max_output_tokens is None


def test_what_it_says_is_taken() -> None:
    told = workflow(
        """
        requirements:
          - shopify_oauth: true
        tools: [shopify_data, shopify_data]
        limits: {max_tool_rounds: 2, pause_between_messages_seconds: 0}
        model: {name: openai/x, fallbacks: [openai/y], temperature: 0, max_output_tokens: 100}
        """
    )
    assert told.requirements == {"shopify_oauth"}
    assert told.tools == ("shopify_data",)
    assert (told.limits.max_tool_rounds, told.limits.pause_between_messages_seconds) == (2, 0.0)
    assert (told.model.name, told.model.fallbacks, told.model.temperature) == ("openai/x", ["openai/y"], 0.0)


def test_the_hash_is_that_of_the_text_and_survives_a_round_trip() -> None:
    source = "\ufeff" + text().replace("\n", "\r\n")
    first = load_text(source, file="a.yaml")
    assert first.text == text()
    assert first.hash == hashlib.sha256(text().encode()).hexdigest()
    assert load_text(first.text, file="b.yaml").hash == first.hash
    assert load_text(first.text, file="b.yaml") == first


def test_those_that_cj_begins_come_first_then_by_name(tmp_path: Path) -> None:
    alone = "\n      opens: []"
    loaded = folder(tmp_path, b=CJ_BEGINS, a=RULE, d=CJ_BEGINS + alone + RULE.replace("hello", "hi"), c=NO_OPENING)
    assert loaded.names == ("b", "d", "a", "c")
    assert [each.name for each in loaded] == ["b", "d", "a", "c"]
    assert loaded.default.name == "b"
    assert "a" in loaded
    assert "x" not in loaded
    assert len(loaded) == 4


def test_an_unknown_workflow_is_named_with_what_was_probably_meant(tmp_path: Path) -> None:
    loaded = folder(tmp_path, greeting="")
    with pytest.raises(UnknownWorkflow, match=r"no workflow is named 'greting', did you mean 'greeting'\?") as error:
        loaded.get("greting")
    assert (error.value.code, error.value.name) == ("workflows.unknown", "greting")


def test_one_error_has_the_problems_of_all_files(tmp_path: Path) -> None:
    (tmp_path / "b.yaml").write_text(text("tools: [x]\n", name="b"))
    (tmp_path / "a.yaml").write_text(text("tools: [y]\nlimits: {max_tool_rounds: 99}\n", name="a"))
    with pytest.raises(InvalidWorkflows) as error:
        load_folder(tmp_path)
    assert [(Path(problem.file).name, problem.line) for problem in error.value.problems] == [
        ("a.yaml", 3),
        ("a.yaml", 4),
        ("b.yaml", 3),
    ]
    assert error.value.code == "workflows.invalid"
    assert str(error.value).count("\n  3 | tools: [") == 2
    assert "    |         ^" in str(error.value)
    assert isinstance(error.value, WorkflowError)


def test_warnings_do_not_stop_it(tmp_path: Path) -> None:
    loaded = folder(tmp_path, greeting="config: {insights: {enable_tier_3: true}}\n")
    _, warning = loaded.warnings  # the first: no rule takes oauth_complete
    assert (warning.severity, warning.line, warning.col) == ("warning", 3, 10)
    assert loaded.get("greeting").definition.config == {"insights": {"enable_tier_3": True}}


def test_by_itself_a_workflow_may_lead_anywhere() -> None:
    transition = "behavior: {transitions: {on: {condition: 'turns > 1', target_workflow: elsewhere}}}\n"
    assert workflow(transition).transitions[0].transition.target_workflow == "elsewhere"
    with pytest.raises(InvalidWorkflows):
        workflow(transition.replace("turns", "trns"))


def test_in_a_folder_it_may_lead_only_to_its_neighbours(tmp_path: Path) -> None:
    with pytest.raises(InvalidWorkflows, match="unknown workflow 'ad_hoc_support'; possible here: first"):
        folder(
            tmp_path,
            first="behavior: {transitions: {on: {condition: 'turns > 1', target_workflow: ad_hoc_support}}}\n",
        )


def test_a_single_file_may_lead_to_its_neighbours_and_to_the_shipped_ones(tmp_path: Path) -> None:
    ways = """
        behavior:
          transitions:
            one: {condition: "turns == 1", target_workflow: ad_hoc_support}
            two: {condition: "turns == 2", target_workflow: neighbour}
            three: {condition: "turns == 3", target_workflow: nowhere}
        """
    (tmp_path / "mine.yaml").write_text(text(ways, name="mine"))
    (tmp_path / "neighbour.yaml").write_text(text(name="neighbour"))
    (problem,) = check_paths([tmp_path / "mine.yaml"])
    assert "unknown workflow 'nowhere'" in problem.message


def test_what_cannot_be_read_is_a_problem_like_others(tmp_path: Path) -> None:
    (tmp_path / "latin.yaml").write_bytes("name: a\ndescription: Gr\xfc\xdfe\n".encode("latin-1"))
    (tmp_path / "large.yaml").write_text("# " + "x" * 300_000)
    (tmp_path / "large_and_cut.yaml").write_text("# " + "\N{EURO SIGN}" * 100_000)
    (tmp_path / "folder.yaml").mkdir()
    (tmp_path / "empty").mkdir()
    names = ["latin.yaml", "large.yaml", "large_and_cut.yaml", "missing.yaml", "folder.yaml", "empty"]
    told = {Path(each.file).name: each for each in check_paths([tmp_path / name for name in names])}
    assert told["latin.yaml"].message == "this is not UTF-8: save the file in that encoding"
    assert (told["latin.yaml"].line, told["latin.yaml"].col) == (2, 16)
    assert told["large.yaml"].message == "a workflow file has at most 256 KiB"
    assert told["large_and_cut.yaml"].message == "a workflow file has at most 256 KiB"
    assert told["missing.yaml"].message == "there is no such file"
    assert told["folder.yaml"].message == "there is no workflow (*.yaml) in this folder"
    assert told["empty"].message == "there is no workflow (*.yaml) in this folder"


def test_a_folder_that_is_none_or_has_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidWorkflows, match="there is no such folder"):
        load_folder(tmp_path / "missing")
    with pytest.raises(InvalidWorkflows, match=r"there is no workflow \(\*\.yaml\) in this folder"):
        load_folder(tmp_path)


def test_what_an_editor_leaves_behind_is_not_read(tmp_path: Path) -> None:
    (tmp_path / ".#greeting.yaml").write_text("nonsense")
    (tmp_path / "~greeting.yaml").write_text("nonsense")
    (tmp_path / "notes.txt").write_text("nonsense")
    assert folder(tmp_path, greeting="").names == ("greeting",)


def test_the_fingerprint_changes_with_any_text(tmp_path: Path) -> None:
    before = folder(tmp_path, a="", b=NO_OPENING).fingerprint
    assert load_folder(tmp_path).fingerprint == before
    assert folder(tmp_path, b=NO_OPENING + "tools: [shopify_data]\n").fingerprint != before


def test_checking_a_file_takes_far_less_than_a_tenth_of_a_second(tmp_path: Path) -> None:
    rule = (
        "    - condition: \"provider == 'p{0}' and success == true\"\n      actions:\n        - type: process_message\n"
    )
    rules = "".join((rule + '          message: "{{{{shop_domain}}}} {0}"\n').format(number) for number in range(60))
    (tmp_path / "many.yaml").write_text(text(f"system_events:\n  oauth_complete:\n{rules}", name="many"))
    best = 1.0
    for _ in range(3):
        started = time.thread_time()
        assert [each.severity for each in check_paths([tmp_path / "many.yaml"])] == ["warning", "warning"]  # silence
        best = min(best, time.thread_time() - started)
    assert best < 0.1
