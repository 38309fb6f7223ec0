"""What a check finds, beyond the files in faulty/: all problems at once, and no false ones."""

import pytest

from tests.unit.workflows.builders import text, workflow
from workflows.check import check
from workflows.definition import EVENT_TYPES
from workflows.errors import InvalidWorkflows
from workflows.loader import load_text
from workflows.problems import Problem
from workflows.source import Document


def problems(body: str) -> list[Problem]:
    with pytest.raises(InvalidWorkflows) as error:
        load_text(text(body), file="test.yaml")
    return list(error.value.problems)


def messages(body: str) -> list[str]:
    return [problem.message for problem in problems(body)]


def test_what_is_wrong_in_one_place_hides_nothing_in_another() -> None:
    found = problems(
        """
        behaviour:
          initiatr: cj
          transitions:
            done:
              if: "turn > 3"
              target_workflow: greeting
        system_events:
          oauth_completed:
            - condition: "provder == 'shopify'"
              action:
                - type: proces_message
                  mesage: "{{ shop }} {{ x = 1 }}"
                - typ: prefetch
                  data_types: [count]
          app_uninstalled:
            actions: []
        limits: {max_tool_rounds: 0}
        tools: [shopify]
        """
    )
    assert [(problem.line, problem.message.split(",")[0].split(";")[0]) for problem in found] == [
        (3, "unknown key 'behaviour'"),
        (4, "unknown key 'initiatr'"),
        (4, "CJ is to begin"),
        (7, "unknown key 'if'"),
        (7, "unknown field 'turn'"),
        (8, "this leads back to the same workflow"),
        (10, "unknown event 'oauth_completed'"),
        (11, "unknown field 'provder'"),
        (12, "unknown key 'action'"),
        (13, "unknown action type 'proces_message'"),
        (14, "unknown key 'mesage'"),
        (14, "unknown field 'shop'"),
        (14, "write '==' to compare"),
        (15, "unknown key 'typ'"),
        (16, "an item of 'data_types' cannot be 'count'"),
        (18, "'actions' is empty"),
        (19, "'max_tool_rounds' must be at least 1"),
        (20, "unknown tool 'shopify'"),
    ]


@pytest.mark.parametrize("event", EVENT_TYPES)
def test_every_event_of_the_catalog_can_have_rules(event: str) -> None:
    rules = f"""
        system_events:
          {event}:
            condition: "merchant_id != null"
            actions:
              - type: update_context
                data: {{merchant_id: "{{{{merchant_id}}}}"}}
        """
    assert workflow(rules).rules[event][0].line == 4


def test_keys_that_the_file_sets_can_be_read_by_its_transitions() -> None:
    sound = """
        behavior:
          transitions:
            grown: {condition: "plan == 'plus' and visits > 1 and mixed == 1 and cleared != null", target_workflow: big}
        system_events:
          oauth_complete:
            - condition: "success == true"
              actions:
                - type: update_context
                  data: {plan: "{{error or 'plus'}}", visits: 2, mixed: 1, cleared: null}
            - actions:
                - type: update_context
                  data: {mixed: text}
        """
    assert workflow(sound).transitions[0].transition.target_workflow == "big"


def test_a_key_of_the_context_keeps_its_kind_but_can_be_cleared() -> None:
    template = """
        system_events:
          app_uninstalled:
            actions:
              - type: update_context
                data: {shop_domain: %s}
        """
    assert workflow(template % "null").rules
    assert workflow(template % '"{{shop_domain}}"').rules
    assert workflow(template % '"the shop {{shop_domain}}"').rules
    assert messages(template % "3") == ["'shop_domain' must be text, not a number"]


def test_data_metadata_and_config_may_hold_anything() -> None:
    free = """
        config: {a: null, b: [null, {}], c: {}}
        system_events:
          oauth_complete:
            actions:
              - type: update_context
                data: {a: null, b: [], c: {d: {e: [1, 2.5, true, "{{error}}"]}}}
              - type: process_message
                message: hello
                metadata: {a: null, b: {c: "{{success}}"}}
        """
    assert workflow(free).definition.config == {"a": None, "b": [None, {}], "c": {}}


def test_templates_deep_inside_are_checked_too() -> None:
    (problem,) = problems(
        """
        system_events:
          oauth_complete:
            actions:
              - type: update_context
                data:
                  a: [1, {b: "x {{sucess}}"}]
        """
    )
    assert (problem.line, problem.col, problem.width) == (8, 27, 6)


def test_one_rule_and_a_list_of_one_rule_mean_the_same() -> None:
    single = """
        system_events:
          oauth_complete:
            condition: "success == true"
            actions: [{type: process_message, message: hello}]
        """
    listed = """
        system_events:
          oauth_complete:
            - condition: "success == true"
              actions: [{type: process_message, message: hello}]
        """
    one, other = workflow(single), workflow(listed)
    assert one.definition == other.definition
    assert (one.rules["oauth_complete"][0].line, other.rules["oauth_complete"][0].line) == (4, 5)


@pytest.mark.parametrize("value", ["[]", "''", "5", "hello", "[[]]", "{a: 1}", "true", "[null]"])
@pytest.mark.parametrize("key", ["behavior", "system_events", "tools", "limits", "model", "requirements", "config"])
def test_any_value_in_any_place_is_reported_without_failing(key: str, value: str) -> None:
    document = Document("test.yaml", text(f"{key}: {value}\n"))
    definition = check(document, None)
    assert (definition is None) is document.has_errors
    assert {problem.line for problem in document.problems} <= {3}


ACTION = """
    system_events:
      oauth_complete:
        actions:
          - type: %s
            %s
    """
RULE = "system_events: {oauth_complete: %s}\n"
CONDITION = RULE % '{condition: "%s", actions: [{type: process_message, message: x}]}'
MESSAGE = RULE % '{actions: [{type: process_message, message: "%s"}]}'


ONE = "actions: [{type: process_message, message: x}]"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (
            RULE % f"{{else: , {ONE}}}",
            "unknown key 'else': a rule without a 'condition' takes what the rules before it have left",
        ),
        ("schedule: 0 9 * * MON\n", "unknown key 'schedule': there is no clock in a workflow"),
        ("enabled: false\n", "unknown key 'enabled': a workflow is in use while its file is in the folder"),
        (RULE % f"{{condition: [a], {ONE}}}", "not a list: join the parts with 'and' or 'or', in one text"),
        (RULE % f"{{condition: {{a: 1}}, {ONE}}}", 'not a map: write e.g. "success == false"'),
        (CONDITION % "success is not true", "write '!=' for 'is not'"),
        (CONDITION % "error is empty", "write field == null"),
        (CONDITION % "error exists", "write field != null"),
        (CONDITION % "error == None", "unknown field 'None'; write null for what is missing"),
        (CONDITION % "shop_domain =~ 'a.*'", "there are no patterns; compare with '=='"),
        (CONDITION % "context.turns between 1 and 3", "write two comparisons: field >= 1 and field <= 3"),
        (CONDITION % "context.connected_at older than 7d", "put an age in quotes: '7d'"),
        (CONDITION % "context.connected_at > '7d'", "for an age write older than '7d'"),
        (CONDITION % "'7d' > context.connected_at", "for an age write newer than '7d'"),
        (CONDITION % "text == 'yes'", "'text'; that is a field of message_received, not of oauth_complete"),
        (CONDITION % "suc\u200bcess == true", "there is an invisible character here (U+200B): delete it"),
        (MESSAGE % "{{turns}}", "unknown field 'turns'; that is in the context: write context.turns"),
        (MESSAGE % "{{error ?? 'x'}}", "write 'or': {{ name or 'there' }}"),
        (MESSAGE % "{{error ? error : 'x'}}", "there is no 'a ? b : c'"),
        (MESSAGE % "{{{error}}}", "two braces are enough: {{ name }}"),
    ],
)
def test_what_other_languages_have(body: str, message: str) -> None:
    (problem,) = problems(body)
    assert message in problem.message


@pytest.mark.parametrize(
    ("body", "line", "col", "message"),
    [
        (
            "behavior: {initiator: cj, initial_action: hello}\n",
            3,
            43,
            "'initial_action' must be a map, not the text 'hello'; its keys: type, message, sender",
        ),
        (
            "behavior: {initiator: cj, initial_action: {type: prefetch, data_types: [counts]}}\n",
            *(3, 50, "'type' cannot be 'prefetch'; possible here: process_message"),
        ),
        (
            "behavior: {transitions: {done: support}}\n",
            3,
            32,
            "'done' must be a map, not the text 'support'; its keys: target_workflow",
        ),
        (
            "behavior:\n  transitions:\n  - a: b\n",
            5,
            3,
            "'transitions' must be a map, not a list: remove the '- ' before its keys",
        ),
        ("model: gpt-4\n", 3, 8, "'model' must be a map, not the text 'gpt-4': write {name: gpt-4}"),
        ("model: {fallbacks: x}\n", 3, 20, "'fallbacks' must be a list, not the text 'x': write [x]"),
        ("model: {temperature: 0,3}\n", 3, 24, "a comma ends the number, and '3' is a key of its own: write 0.3"),
        ("limits: {turn_timeout_seconds: 2 Minuten}\n", 3, 32, "not the text '2 Minuten': write 120"),
        ("model: {temperature: hot}\n", 3, 22, "'temperature' must be a number, not the text 'hot'"),
        ("requirements: [{shopify_oauth: yes}]\n", 3, 32, "'shopify_oauth' must be true or false, not the text 'yes'"),
        (
            "requirements: shopify_oauth\n",
            3,
            15,
            "'requirements' must be a list, not the text 'shopify_oauth': begin each item with '- '",
        ),
        (
            "system_events: [{oauth_complete: {}}]\n",
            3,
            16,
            "'system_events' must be a map, not a list: remove the '- '",
        ),
        (RULE % "hello", 3, 33, "'oauth_complete' must be a map, not the text 'hello'; its keys: condition, actions"),
        (RULE % "[hello]", 3, 34, "an item of 'oauth_complete' must be a map, not the text 'hello'; its keys"),
        (RULE % "[]", 3, 33, "'oauth_complete' is empty"),
        (
            RULE % "{actions: say hello}",
            3,
            43,
            "'actions' must be a list, not the text 'say hello': begin each item with '- '",
        ),
        (RULE % "{actions: [null]}", 3, 44, "an item of 'actions' is empty"),
        (
            RULE % "{actions: [[]]}",
            3,
            44,
            "an action begins with its type, '- type: …', one of: update_context, process_message",
        ),
        (
            RULE % "{condition: true, actions: [{type: prefetch, data_types: [counts]}]}",
            3,
            45,
            "must be text, not true: put it",
        ),
        (ACTION % ("update_context", "data: x"), 7, 15, "'data' must be a map, not the text 'x'"),
        (ACTION % ("update_context", "data: {}"), 7, 15, "'data' is empty"),
        (ACTION % ("update_context", "context: {a: b}"), 7, 9, "unknown key 'context', did you mean 'data'?"),
        (ACTION % ("process_message", "message: [a]"), 7, 18, "'message' must be text, not a list"),
        (ACTION % ("process_message", "message: ' '"), 7, 18, "'message' is empty"),
        (
            ACTION % ("prefetch", "data_types: counts"),
            7,
            21,
            "'data_types' must be a list, not the text 'counts': write [counts]",
        ),
        (ACTION % ("transition", "target: support"), 7, 9, "unknown key 'target', did you mean 'target_workflow'?"),
        (ACTION % ("5", "x: y"), 6, 15, "unknown action type '5'; possible here: emit, follow_up, prefetch"),
        (
            ACTION % ("follow_up", "message: x"),
            6,
            9,
            "key 'after' is missing in a 'follow_up' action",
        ),
        (ACTION % ("emit", "name: Plan Wanted"), 7, 15, "'Plan Wanted' cannot be a name"),
        ("tools: [1]\n", 3, 9, "an item of 'tools' must be text, not the number 1: put it in quotes"),
        ("tools: {shopify_data: true}\n", 3, 1, "'tools' must be a list, not a map: begin each item with '- '"),
        ("agents: x\n", 3, 1, "unknown key 'agents'; possible here: name, description"),
        ("tools: none\n", 3, 8, "'tools' must be a list, not the text 'none': write [] for none"),
        ("behavior: {opens: all}\n", 3, 19, "'opens' must be a list, not the text 'all': leave it out for all"),
    ],
)
def test_what_a_colleague_would_say(body: str, line: int, col: int, message: str) -> None:
    (problem,) = problems(body)
    assert message in problem.message
    assert (problem.line, problem.col) == (line, col)


@pytest.mark.parametrize(
    ("kilobytes", "limits", "severity"),
    [(200, "", "error"), (80, "", "warning"), (200, "limits: {prompt_tokens: 200000}\n", None), (50, "", None)],
)
def test_a_prompt_that_leaves_no_room_is_told(kilobytes: int, limits: str, severity: str | None) -> None:
    document = Document("test.yaml", text(limits).replace("You are CJ.", "word " * (200 * kilobytes)))
    check(document, None)
    assert [problem.severity for problem in document.problems] == ([severity] if severity else [])
    if kilobytes == 200 and severity:
        assert "this prompt has about 66,666 tokens" in document.problems[0].message
        assert "may have 40,000: shorten it, or let 'limits.prompt_tokens' say" in document.problems[0].message


AGE = "'after' is from a minute to four weeks: a whole number with m, h, d or w, such as '30m' or '3d'"


@pytest.mark.parametrize(
    ("after", "question", "message"),
    [
        ("1m", '"answered == false"', None),
        ("4w", "\"shopify_connected == false and not answered and connected_at older than '7d'\"", None),
        ("2 hours", '"true"', None),
        ("30s", '"true"', AGE),
        ("5 weeks", '"true"', AGE),
        ("0m", '"true"', AGE),
        ("morgen", '"true"', AGE),
        ("1,5h", '"true"', AGE),
        ("3", '"true"', "'after' must be text, not the number 3: an age, such as '30m' or '3d'"),
        ("1d", '"anwsered == false"', "unknown field 'anwsered', did you mean 'answered'?"),
        ("1d", '"success == true"', "that is a field of oauth_complete; a follow_up reads the context: "),
        ("1d", '"answered == true and answered == false"', "this can never be true"),
        ("1d", '"answered"', None),
        ("1d", "[true]", "'condition' must be text, not a list"),
    ],
)
def test_a_follow_up_is_checked(after: str, question: str, message: str | None) -> None:
    action = f"{{type: follow_up, after: {after!r}, message: 'hi', condition: {question}}}"
    if after == "3":
        action = action.replace("'3'", "3")
    document = Document("test.yaml", text(f"system_events: {{oauth_complete: {{actions: [{action}]}}}}\n"))
    check(document, None)
    found = [each.message for each in document.problems]
    assert (found == []) if message is None else (len(found) == 1 and message in found[0]), found


def test_the_fact_that_the_workers_know_cannot_be_set() -> None:
    (problem,) = problems(ACTION % ("update_context", "data: {answered: true}"))
    assert "'answered' cannot be set: in a follow_up it says whether the merchant has written since" in problem.message


@pytest.mark.parametrize(
    ("body", "line", "col", "message"),
    [
        (
            "system_events:\n  app_uninstalled:\n    - condition: x\n      actions: []\n      condition: y\n",
            7,
            7,
            "key 'condition' is repeated; it is already on line 5; if a new item of the list begins here, write '- c",
        ),
        ("tools: []\ntools: []\n", 4, 1, "key 'tools' is repeated; it is already on line 3"),
        (
            'config: {x: "a\n  b"}\nstream: "whole\ntruth: "report"\n',
            5,
            9,
            'the text that begins with this " is not cl',
        ),
        (
            "tools:\n  \u2013 shopify_data\n  - a: b\n",
            4,
            3,
            "\u2013 only looks like the right character: begin th",
        ),
        ("stream\uff1a whole\n", 3, 7, "\uff1a only looks like the right character: write ': '"),
        (CONDITION % "if success", 3, 46, "leave out 'if': write just the condition"),
        (CONDITION % "provider == `shopify`", 3, 58, "put text in straight quotes: 'text'"),
        (CONDITION % "merchant id == 'x'", 3, 55, "a name has no spaces: merchant_id"),
        (ACTION % ("transition", "target_workflow: support.yaml"), 7, 26, "write the workflow's name: 'support'"),
    ],
)
def test_what_else_a_colleague_would_say(body: str, line: int, col: int, message: str) -> None:
    found = {(each.line, each.col): each.message for each in problems(body)}
    assert message in found.get((line, col), ""), found
