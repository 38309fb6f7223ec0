"""Every dialect of tool calls and reasoning that models are known to write into their text."""

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from workers.agent.utterance import whole_sentences
from workers.model import dialects
from workers.model.dialects import Spoken, inner, named, read, read_object

OFFERED = ["shopify_data"]
ARGUMENTS = '{"data_type": "counts"}'
CALL = f'{{"name": "shopify_data", "arguments": {ARGUMENTS}}}'
TWICE = json.dumps(ARGUMENTS)

LIST = f"[{CALL}]"
MORE_DIALECTS = [
    f"✿FUNCTION✿: shopify_data\n✿ARGS✿: {ARGUMENTS}\n✿RESULT✿",  # Qwen-Agent
    f"shopify_data\n{ARGUMENTS}",  # GLM-4
    f"<|assistant|>shopify_data\n{ARGUMENTS}<|observation|>",
    f"<|tool▁calls▁begin|><|tool▁call▁begin|>function<|tool▁sep|>shopify_data\n```json\n{ARGUMENTS}\n```"
    "<|tool▁call▁end|><|tool▁calls▁end|>",
    '<｜DSML｜inner_tool_calls>\n<｜DSML｜invoke name="shopify_data">\n<｜DSML｜parameter name="data_type">counts'
    "</｜DSML｜parameter>\n</｜DSML｜invoke>\n</｜DSML｜inner_tool_calls>",
    f"<|start|>assistant to=functions.shopify_data<|channel|>commentary json<|message|>{ARGUMENTS}<|call|>",
    f"analysisWe need counts.assistantcommentary to=functions.shopify_data json{ARGUMENTS}",  # tokens lost
    f"commentary to=functions.shopify_data json{ARGUMENTS}",
    '<|python_start|>[shopify_data(data_type="counts")]<|python_end|>',  # Llama 4
    f"<function=shopify_data{ARGUMENTS}</function>",  # Llama at Groq
    f"<function=shopify_data,{ARGUMENTS}</function>",
    f"<function=shopify_data>({ARGUMENTS})</function>",
    f"<function(shopify_data){ARGUMENTS}</function>",
    f"<function/shopify_data>{ARGUMENTS}</function>",
    f'<function name="shopify_data">{ARGUMENTS}</function>',
    '<xai:function_call name="shopify_data"><parameter name="data_type">counts</parameter></xai:function_call>',  # Grok
    f"<|START_ACTION|>[\n    {CALL}\n]<|END_ACTION|>",  # Cohere
    f"Action: ```json\n[\n    {CALL}\n]```",
    f"<|action_start|><|plugin|>{CALL}<|action_end|>",  # InternLM
    f"functools{LIST}",  # Phi-4, FireFunction
    f"<TOOLCALL>{LIST}</TOOLCALL>",  # Nemotron
    f"<longcat_tool_call>{CALL}</longcat_tool_call>",
    f">>>shopify_data\n{ARGUMENTS}",  # Functionary
    '<|tool_call_start|>[shopify_data(data_type="counts")]<|tool_call_end|>',  # LFM2
    "<start_function_call>call:shopify_data{data_type:<escape>counts<escape>}<end_function_call>",  # Gemma
    '<|tool_call>call:shopify_data{data_type:<|"|>counts<|"|>}<tool_call|>',
    f'{{"tool_uses": [{{"recipient_name": "functions.shopify_data", "parameters": {ARGUMENTS}}}]}}',
    f"assistant to=functions.shopify_data json\n{ARGUMENTS}",
    '<shopify_data data_type="counts"/>',
]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (f"<tool_call>\n{CALL}\n</tool_call>", ""),
        (f"Let me look.\n<tool_call>{CALL}", "Let me look."),
        (f"Let me look.\n\n<tool_call>\n```json\n{CALL}\n```\n</tool_call>", "Let me look."),
        (f"<|tool_call|>{CALL}<|/tool_call|>", ""),
        (f"<tool_use>{CALL}</tool_use>", ""),
        (f"<tool_calls>[{CALL}]</tool_calls>", ""),
        ("<tool_call>shopify_data\n<arg_key>data_type</arg_key>\n<arg_value>counts</arg_value>\n</tool_call>", ""),
        (f"<function=shopify_data>{ARGUMENTS}</function>", ""),
        (
            "<tool_call>\n<function=shopify_data>\n<parameter=data_type>\ncounts\n</parameter>\n</function>\n"
            "</tool_call>",
            "",
        ),
        (
            '<function_calls>\n<invoke name="shopify_data">\n<parameter name="data_type">counts</parameter>\n'
            "</invoke>\n</function_calls>",
            "",
        ),
        (
            '<minimax:tool_call>\n<invoke name="shopify_data">\n<parameter name="data_type">counts</parameter>\n'
            "</invoke>\n</minimax:tool_call>",
            "",
        ),
        (
            '<｜DSML｜function_calls>\n<｜DSML｜invoke name="shopify_data">\n'
            '<｜DSML｜parameter name="data_type" string="true">counts</｜DSML｜parameter>\n'
            "</｜DSML｜invoke>\n</｜DSML｜function_calls>",
            "",
        ),
        (f"[TOOL_CALLS][{CALL}]", ""),
        (f"[TOOL_CALLS]shopify_data[ARGS]{ARGUMENTS}", ""),
        (f"[TOOL_CALLS]shopify_data[CALL_ID]a1b2c3d4e[ARGS]{ARGUMENTS}", ""),
        (
            "<|tool_calls_section_begin|><|tool_call_begin|>functions.shopify_data:0"
            f"<|tool_call_argument_begin|>{ARGUMENTS}<|tool_call_end|><|tool_calls_section_end|>",
            "",
        ),
        (
            "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>shopify_data\n"
            f"```json\n{ARGUMENTS}\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜><｜end▁of▁sentence｜>",
            "",
        ),
        (f"<｜tool▁call▁begin｜>shopify_data<｜tool▁sep｜>{ARGUMENTS}<｜tool▁call▁end｜>", ""),
        (
            "<|channel|>analysis<|message|>SECRET<|end|><|start|>assistant<|channel|>commentary "
            f"to=functions.shopify_data <|constrain|>json<|message|>{ARGUMENTS}<|call|>",
            "",
        ),
        (f"<|python_tag|>{CALL.replace('arguments', 'parameters')}", ""),
        ('<|python_tag|>shopify_data(data_type="counts")', ""),
        ('```tool_code\nprint(default_api.shopify_data(data_type="counts"))\n```', ""),
        (CALL, ""),
        (f"```json\n{CALL}\n```", ""),
        (f"Let me look.\n\n{CALL}", "Let me look."),
        (f"Let me look.\n```json\n{CALL}\n```", "Let me look."),
        ('{"tool": "shopify_data", "tool_input": {"data_type": "counts"}}', ""),
        (f'{{"tool_calls": [{{"type": "function", "function": {CALL}}}]}}', ""),
        (f'{{"name": "shopify_data", "arguments": {TWICE}}}', ""),
        ('shopify_data(data_type="counts")', ""),
        ('[shopify_data(data_type="counts")]', ""),
        (f"<shopify_data>{ARGUMENTS}</shopify_data>", ""),
        ("<shopify_data>\n<data_type>counts</data_type>\n</shopify_data>", ""),
        (f"Thought: I should look.\nAction: shopify_data\nAction Input: {ARGUMENTS}", ""),
        (f"<think>SECRET\n<tool_call>{CALL}</tool_call>", ""),
        *((text, "") for text in MORE_DIALECTS),
        *((f"Let me look.\n{text}", "Let me look.") for text in MORE_DIALECTS if not text.startswith("analysis")),
    ],
)
def test_a_call_in_the_text_is_taken_out_of_it(text: str, words: str) -> None:
    spoken = read(text, OFFERED)
    [(name, arguments)] = spoken.calls
    assert name == "shopify_data"
    assert (read_object(arguments) if isinstance(arguments, str) else arguments) == {"data_type": "counts"}
    assert (spoken.text, spoken.broken) == (words, False)


@pytest.mark.parametrize("before", ["", "Let me look.\n", "Let me look. "])
@pytest.mark.parametrize("text", [*MORE_DIALECTS, f"<tool_call>{CALL}</tool_call>", f"[TOOL_CALLS]{LIST}"])
def test_what_is_said_while_a_call_is_being_written(text: str, before: str) -> None:
    """Cut at any place, no sentence of a call is said."""
    for end in range(1, len(text) + 1):
        words = dialects.surely_words(before + text[:end], OFFERED)
        assert before.startswith(whole_sentences(words)), words


def test_several_calls() -> None:
    other = CALL.replace("counts", "overview")
    for text in (f"<tool_call>{CALL}</tool_call>\n<tool_call>{other}</tool_call>", f"<tool_call>{CALL}\n{other}"):
        assert [arguments["data_type"] for _, arguments in read(text, OFFERED).calls] == ["counts", "overview"]
    both = read('[shopify_data(data_type="counts"), shopify_data(data_type="overview")]', OFFERED)
    assert both.calls == (("shopify_data", {"data_type": "counts"}), ("shopify_data", {"data_type": "overview"}))
    assert both.text == ""


@pytest.mark.parametrize(
    "text",
    [
        '<tool_call>{"name": "delete_everything", "arguments": {}}</tool_call>',
        '<tool_call>{"name": "shopi',
        "<tool_call>I would like the counts</tool_call>",
        "[TOOL_CALLS]nonsense",
        'shopify_data\n{"data_type": "cou',
        ">>>shopify_data\n",
    ],
)
def test_markup_that_is_no_call_is_not_shown_but_told(text: str) -> None:
    assert read(f"One moment. {text}", OFFERED) == Spoken("One moment.", (), broken=True)


def test_without_tools_there_are_no_calls_and_no_markup() -> None:
    spoken = read(f"Here you are.<tool_call>{CALL}</tool_call>", [])
    assert (spoken.text, spoken.calls) == ("Here you are.", ())


@pytest.mark.parametrize(
    "text",
    [
        "SECRET</think>\n\nYou have 67.",
        "<think>SECRET</think>\n\nYou have 67.",
        "<think>\nSECRET</think><think></think>You have 67.",
        "<thinking>SECRET</thinking>You have 67.",
        "<seed:think>SECRET</seed:think>You have 67.",
        "You have 67.<think>SECRET",
        "[THINK]SECRET[/THINK]You have 67.",
        "◁think▷SECRET◁/think▷You have 67.",
        "<|START_THINKING|>SECRET<|END_THINKING|>You have 67.",
        "<|channel|>analysis<|message|>SECRET<|end|><|start|>assistant<|channel|>final<|message|>You have 67.",
        "analysisSECRET.assistantfinalYou have 67.",
        "You have 67.<|im_end|>",
        "You have 67.</s>",
        "<|im_start|>assistant\nYou have 67.<|im_end|>",
        "<|start_header_id|>assistant<|end_header_id|>\n\nYou have 67.<|eot_id|>",
        "<|START_RESPONSE|>You have 67.<|END_RESPONSE|>",
        ">>>all\nYou have 67.",
        "<think>SECRET</think><answer>You have 67.</answer>",
        "Here are my reasoning steps:\nSECRET\n[BEGIN FINAL RESPONSE]You have 67.[END FINAL RESPONSE]",
        '<tool_response>{"customers": 999}</tool_response>You have 67.',
        "<｜tool▁outputs▁begin｜><｜tool▁output▁begin｜>999<｜tool▁output▁end｜><｜tool▁outputs▁end｜>You have 67.",
    ],
)
def test_reasoning_and_tokens_of_templates_are_not_shown(text: str) -> None:
    assert read(text, OFFERED) == Spoken("You have 67.")


@pytest.mark.parametrize(
    "text",
    [
        "You have 67 customers.",
        "Your best customers {by orders} are:\n- Ann\n- Bob",
        '{"customers": 67}',
        "5 < 7 and 9 > 8, and [1] is a note.",
        "I read it with shopify_data(counts), which took a second.",
        "The tool shopify_data is what I use.",
        "Action: call your customers!",
        "analysis: sales grew",
        "analysis of your week",
        "shopify_data: that is how I read it. Your theme uses {braces}.",
        'The rule says {"discount": 5}, which is low.',
    ],
)
def test_words_stay_as_they_are(text: str) -> None:
    assert read(text, OFFERED) == Spoken(text)


@pytest.mark.parametrize(
    "raw",
    [
        "functions.shopify_data",
        "default_api.shopify_data",
        "default_api:shopify_data",
        "functions.shopify_data:0",
        "shopify_data<|channel|>commentary",
        "shopify_data()",
        "Shopify-Data",
        " shopify_data ",
        "get_shopify_data",
        "mcp__store__shopify_data",
    ],
)
def test_a_name_that_can_mean_only_one_tool(raw: str) -> None:
    assert named(raw, OFFERED) == "shopify_data"


@pytest.mark.parametrize("raw", ["delete_everything", "shopify", "data", "", None, 7])
def test_a_name_that_means_no_tool(raw: object) -> None:
    assert named(raw, OFFERED) is None


@pytest.mark.parametrize(
    "text",
    [
        ARGUMENTS,
        TWICE,
        json.dumps(TWICE),
        f"```json\n{ARGUMENTS}\n```",
        '{"data_type": "counts", // how many\n}',
        '{/* how many */ "data_type": "counts",}',
        "{'data_type': 'counts'}",
        '{"data_type": "counts"',
        '{data_type: "counts"}',
        f"({ARGUMENTS})",
        ARGUMENTS + ARGUMENTS,
        f"[{ARGUMENTS}]",
        f'{{"arguments": {ARGUMENTS}}}',
        f'{{"parameters": {TWICE}}}',
        CALL,
    ],
)
def test_arguments_with_one_meaning(text: str) -> None:
    found = read_object(text)
    assert found is not None
    assert inner(found) == {"data_type": "counts"}


@pytest.mark.parametrize("text", ['{"data_type": "cou', '{"a": NaN}', "7", "null", "counts", "{a: b()}", "[" * 5000])
def test_arguments_without_a_meaning(text: str) -> None:
    assert read_object(text) is None


def test_comments_are_none_within_a_text() -> None:
    assert read_object('{"a": "http://b", }') == {"a": "http://b"}


PIECES = st.sampled_from(
    [
        *("<tool_call>", "</tool_call>", "<think>", "</think>", "<invoke name=", "<function=", "shopify_data", "x"),
        *("[TOOL_CALLS]", "<|channel|>", "<|message|>", "```json\n", '{"name":', "Action:", "{", "(", ")", "\n", '"'),
    ]
)


@example("<think><tool_call></tool_call><think>")
@given(st.lists(PIECES, max_size=60).map("".join))
def test_whatever_a_model_writes_is_read(text: str) -> None:
    for offered in (OFFERED, []):
        spoken = dialects.read(text, offered)
        assert "<tool_call>" not in spoken.text
        assert "<think>" not in spoken.text
