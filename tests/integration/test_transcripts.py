"""What merchants hear from the demo model, word by word: tests/transcripts.yaml."""

import re
from collections import Counter
from collections.abc import Iterator

import pytest

from shopify.development_store import DevelopmentStore
from shopify.development_store.faults import KINDS
from tests import transcripts
from workflows.loader import load_folder

CASES = transcripts.cases()
FACTS = (
    r"I left out [^.]*test order",
    r"I left out [^.]*cancelled order",
    r"customers? in your store",
    r"waiting to be fulfilled",
    r"orders? comes? to",
    r"came in",
    r"best-stocked",
    r"sold best",
    r"only the first",
    r"connected again\.",
    r"reconnect",
    r"look(ed)? again",
    r"does not answer",
    r"slow down",
    r"demo model",
    r"support system next",
)
"""What an answer tells at most once, whatever the figures."""
IDS = [f"{case['store']} {fault or case.get('shop') or case.get('then', '')}"[:60] for case, fault in CASES]


@pytest.fixture(scope="module")
def store() -> Iterator[DevelopmentStore]:
    with DevelopmentStore(now=transcripts.NOW).start() as store:
        yield store


@pytest.mark.parametrize(("case", "fault"), CASES, ids=IDS)
def test_the_merchant_hears_exactly_this(store: DevelopmentStore, case: dict, fault: dict | None) -> None:  # type: ignore[type-arg]
    heard = transcripts.play(store, load_folder(), case, fault)
    assert heard == case["heard"]


def test_nothing_that_the_demo_model_says_is_held_back(store: DevelopmentStore) -> None:
    """In few orders much is equal: products that sold as well as others, and nobody but customers who came again."""
    workflows = load_folder()
    for number in range(20):
        shop = f"dev-t{number}.myshopify.com"
        store.register(shop, "tiny", now=transcripts.NOW)
        talk = transcripts.Talk(store, workflows, shop, transcripts.PATIENCE_SECONDS)  # it checks each sentence
        try:
            assert talk.connected()
            assert talk.asked("How was my week?")
        finally:
            talk.close()


@pytest.mark.parametrize("case", [case for case, _ in CASES], ids=IDS)
def test_what_is_heard_can_be_read_aloud(case: dict) -> None:  # type: ignore[type-arg]
    odd = r"\bNone\b|\bnan\b|[{}_]|\b1 (customers|orders|units|days)\b|  |\.\.|\bno no\b|60 days of.*60 days of"
    assert not [text for text in case["heard"] if re.search(odd, text)]


@pytest.mark.parametrize("case", [case for case, _ in CASES], ids=IDS)
def test_nothing_is_told_twice_in_one_answer(case: dict) -> None:  # type: ignore[type-arg]
    answers = [""]
    for text in case["heard"]:
        if text.startswith(("> ", "(")):
            answers.append("")
        elif not text.startswith(">> "):
            answers[-1] += f" {text}"
    for answer in answers:
        sentences = re.split(r"(?<=[.?!]) ", answer.strip())
        assert [sentence for sentence, times in Counter(sentences).items() if times > 1] == []
        new = " ".join(sentence for sentence in sentences if not sentence.startswith("As I said, "))
        assert [fact for fact in FACTS if len(re.findall(fact, new)) > 1] == [], answer


def test_every_size_and_every_fault_is_heard() -> None:
    assert {case["store"] for case, _ in CASES} == {"new", "tiny", "medium", "large", "huge"}
    assert {fault["kind"] for _, fault in CASES if fault} == {*KINDS}
