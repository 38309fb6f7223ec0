"""One claimed turn in memory: everything the agent loop needs, loaded once and kept in sync with the rows."""

import contextlib
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

from events.data_types import DATA_TYPES
from storage.connections import Integration
from storage.conversations import PastTurn
from storage.outbox import NewReply
from storage.sql import storable
from storage.turns import AbsorbedTurn, Claim, Held, Promised, StepRow, TurnInput
from workers.agent import shopify_data
from workers.agent.cost_limits import UsedUp
from workers.agent.decide import is_prefetched, is_unfinished, is_withdrawn
from workers.agent.prompt import HIDDEN_CONTEXT, MODEL_BACK, Absorbed, messages
from workers.agent.prompt_size import Message
from workers.agent.time_limits import FIRST_LOOK_SECONDS, GRACE_SECONDS, TAKE_OVER_SECONDS
from workers.model import demo_words, german_words
from workers.shop.results import AWAITED, awaited
from workers.truth import languages
from workers.truth.grounds import Grounds
from workflows.workflow import Workflow

FOLLOW_UP = "follow_up"
"""The prefix of a turn's text that marks it as a follow-up."""
EARLIER_RESULTS = 2
"""How many results of a data type from earlier turns still count as read."""


TELL = {"en": demo_words.tell, "other": demo_words.tell, "de": german_words.tell}
"""What tells results without a model, by language."""


@dataclass(frozen=True)
class NewResults:
    """The results of the last step's tool calls, not yet committed, and their replies."""

    step: int
    rows: list[dict[str, Any]]
    told: NewReply
    at: datetime


@dataclass
class TurnState:
    """A turn's state; changed only by the runner that holds the claim."""

    claim: Claim
    workflow: Workflow
    context: Mapping[str, Any]
    history: list[PastTurn]
    steps: list[StepRow]
    absorbed: list[Absorbed] = field(default_factory=list)
    model_calls: int = field(init=False)
    prompt_limit: int | None = field(init=False)
    last_sequence: int = field(init=False)
    """The keys of replies known to be committed."""
    last_turn: int = field(init=False)
    """Of the conversation, when it was last looked at for newer messages."""
    integration: Integration | None = field(init=False)
    """The merchant's shop, as of the last commit."""
    begun: bool = False
    """Whether the next model call is counted already."""
    unkept: NewResults | None = None
    """Written with the next commit, whatever it is for."""
    used_up: UsedUp | None = None
    """The budget that forbids the next model call."""
    loaded_at: float = field(default_factory=lambda: time.monotonic())
    _grounds: tuple[tuple[int, int], Grounds] | None = None

    def __post_init__(self) -> None:
        self.model_calls, self.prompt_limit = self.claim.model_calls, self.claim.prompt_limit
        self.last_sequence, self.last_turn = self.claim.last_sequence, self.claim.seq
        self.integration = self.claim.held.integration if self.claim.held is not None else None

    @property
    def fruitless(self) -> int:
        """How many model calls produced no step."""
        return (
            self.model_calls
            - self.begun
            - sum(not is_prefetched(step) and not is_unfinished(step) for step in self.steps)
        )

    def note(self, held: Held) -> None:
        """Update the state after the commit of a transaction that held the turn."""
        self.last_sequence, self.integration = held.last_sequence, held.integration
        if held.is_read:
            self.last_turn = held.last_turn
        self.model_calls += held.is_counted
        if held.is_kept:
            self.unkept = None

    def keep_later(self, new: NewResults) -> None:
        """Continue with these results, which the next commit stores. If the worker dies before it, the tools are called
        again."""
        last, self.unkept = self.steps[-1], new
        self.steps = [*self.steps[:-1], replace(last, tool_results=storable(new.rows))]

    def now(self) -> datetime:
        """The database's clock, advanced by this process's clock."""
        return self.claim.now + timedelta(seconds=time.monotonic() - self.loaded_at)

    def seconds_left(self) -> float:
        """Seconds until the turn's deadline; may be negative."""
        limit = float(self.workflow.limits.turn_timeout_seconds)
        left_of_grace = max(GRACE_SECONDS - self.claim.lease_seconds - TAKE_OVER_SECONDS, 0.0)
        grace = min(limit, left_of_grace) if self.claim.failures else 0.0
        spent = (self.claim.now - self.claim.started_at).total_seconds()
        return limit + grace - spent - (time.monotonic() - self.loaded_at)

    @property
    def pauses(self) -> bool:
        """Whether CJ pauses after a message before it continues."""
        return self.workflow.limits.pause_between_messages_seconds > 0

    @property
    def owed(self) -> list[PastTurn]:
        """Earlier turns that no model answered: this one answers them, too, if it calls a model."""
        return [turn for turn in self.history if turn.owed_since is not None and self.claim.input.sender != "cj"]

    def owed_seconds(self) -> float:
        """Seconds since the first of them ended; 0 if there is none."""
        since = [turn.owed_since for turn in self.history if turn.owed_since is not None]
        return (self.now() - min(since)).total_seconds() if since else 0.0

    @property
    def is_for_owed(self) -> bool:
        """Whether this turn was queued only to answer them."""
        return self.claim.input.sender == "system" and self.claim.input.text == MODEL_BACK

    def silent_seconds(self) -> float:
        """Seconds since CJ last said something in this turn, or since it started."""
        said = [step.created_at for step in self.steps if step.assistant.get("content")]
        return (self.now() - max([self.claim.started_at, *said])).total_seconds()

    def waited_seconds(self) -> float:
        """Seconds since the turn's event."""
        return (self.now() - self.claim.event_received_at).total_seconds()

    def messages(self, most_bytes: int) -> list[Message]:
        """The messages for the next model call, within `most_bytes`."""
        return messages(
            self.workflow.prompt,
            self.context,
            self.history,
            self.claim.input,
            self.steps,
            self.absorbed,
            now=self._when(),
            max_history=self.workflow.limits.max_history_messages,
            most_bytes=most_bytes,
            crossed=self._has_crossed(),
        )

    def _has_crossed(self) -> bool:
        """Whether the merchant wrote before seeing CJ's last words."""
        said = self.claim.input
        words = [step.created_at for turn in self.history for step in turn.steps if step.assistant.get("content")]
        is_new = said.sender == "merchant" and not said.cleanup_trigger and not said.metadata.get("again")
        return is_new and bool(words) and self.claim.event_received_at < max(words)

    def results(self) -> list[dict[str, Any]]:
        """The results of this turn's tool calls so far, in order."""
        return [result["content"] for step in self.steps for result in step.tool_results or ()]

    def prefetched(self) -> tuple[str, ...]:
        """The data types to start with, if the model may request them."""
        may_ask = self.workflow.tools is None or shopify_data.TOOL.name in self.workflow.tools
        return self.claim.input.prefetched if may_ask else ()

    def fetched(self) -> list[str]:
        """The data types that this turn has fetched so far, in order. If counts found no orders, recent_orders is
        included: there is nothing to fetch."""
        types: list[str] = []
        for result in self.results():
            if result.get("success") and result.get("data_type"):
                types.append(str(result["data_type"]))
                if types[-1] == "counts" and (result.get("data") or {}).get("orders") == 0:
                    types.append("recent_orders")
        return list(dict.fromkeys(types))

    def untold(self) -> dict[str, Any]:
        """The results that CJ has not told yet, by data type: those that came with or after its last message."""
        found: dict[str, Any] = {}
        for step in reversed(self.steps):
            for content in (result["content"] for result in step.tool_results or ()):
                data_type = content.get("data_type")
                if data_type in DATA_TYPES and (data_type not in found or not found[data_type]["success"]):
                    found[data_type] = content
            if step.assistant.get("content") and not is_withdrawn(step) and not is_unfinished(step):
                break
        return found

    @property
    def language(self) -> str:
        """That of what the turn answers; where nobody asks, of what the merchant wrote last."""
        past = [said for turn in self.history for said in _written(turn.input, turn.absorbed)]
        return languages.language((), self.asked or past[-1:])

    @property
    def asked(self) -> list[str]:
        """What the merchant wrote that the turn answers."""
        return _written(self.claim.input, self.absorbed)

    def fixed(self, sentence: str) -> str:
        """One of the sentences that no model makes, in the merchant's language if it is known in that."""
        return german_words.fixed(sentence) if self.language == "de" else sentence

    def plainly(self, beside: str = "", language: str = "") -> str:
        """What CJ has not told yet, in fixed sentences, without what it has said in this turn or says `beside` it;
        empty if there is nothing, or it cannot be told in the `language`. By default, in the merchant's or English."""
        if (tell := TELL.get(language or self.language, None if language else demo_words.tell)) is None:
            return ""
        spoken = [str(step.assistant.get("content") or "") for step in self.steps if not is_withdrawn(step)]
        said = " ".join([*spoken, beside])
        words, turn = tell(self.untold(), said), self.claim.input
        is_other, is_again = (turn.metadata.get(key) for key in ("another_store", "reconnected"))
        again = [demo_words.ANOTHER_STORE] if is_other else [demo_words.RECONNECTED] if is_again else []
        again += [demo_words.AS_PROMISED] if turn.text.startswith(FOLLOW_UP) else []
        return " ".join([*map(self.fixed, again), words]) if words and not said.strip() else words

    def draft(self) -> str | None:
        """The text that the model was told to correct, if it has not answered since."""
        last = self.steps[-1] if self.steps else None
        return str(last.assistant["content"]) if last is not None and is_withdrawn(last) else None

    def unfinished(self) -> StepRow | None:
        """The answer whose first sentences were said, and which the model must continue."""
        return self.steps[-1] if self.steps and is_unfinished(self.steps[-1]) else None

    def grounds(self) -> Grounds:
        """The grounds for what CJ says next. Results are parsed only once, also when more arrive."""
        results = self.results()
        if self._grounds is not None:
            (known, absorbed), grounds = self._grounds
            new = results[known:]
            is_same = absorbed == len(self.absorbed)
            if is_same and (not new or grounds.add(new, self._when())):
                self._grounds = (len(results), absorbed), grounds
                return grounds
        self._grounds = (len(results), len(self.absorbed)), self._read_grounds()
        return self._grounds[1]

    def _read_grounds(self) -> Grounds:
        past = [turn for turn in self.history if turn.owed_since is None]
        before = [said for turn in past for said in (turn.input, *(item.input for item in turn.absorbed))]
        heard = [said for turn in self.owed for said in (turn.input, *(item.input for item in turn.absorbed))]
        heard += [self.claim.input, *(item.input for item in self.absorbed)]
        earlier: dict[str | None, list[dict[str, Any]]] = {}
        for result in (result["content"] for turn in past for step in turn.steps for result in step.tool_results or ()):
            earlier.setdefault(result.get("data_type"), []).append(result)
        return Grounds.of(
            [*self._owed_results(), *self.results()],
            now=self._when(),
            earlier=[result for results in earlier.values() for result in results[-EARLIER_RESULTS:]],
            context={key: value for key, value in self.context.items() if key not in HIDDEN_CONTEXT},
            said=[said.text for said in heard if said.sender == "merchant"],
            said_before=[said.text for said in before if said.sender == "merchant"],
            prompt=[
                self.workflow.prompt,
                *(
                    " ".join([said.text, *map(str, said.metadata.values())])
                    for said in (*before, *heard)
                    if said.sender != "merchant"
                ),
            ],
        )

    def websites(self) -> frozenset[str]:
        """The hosts that Shopify named as the shop's website, in this turn or an earlier one."""
        shops = (data.get("shop") for data in self._data())
        return frozenset(
            str(shop["website"]).lower() for shop in shops if isinstance(shop, dict) and shop.get("website")
        )

    def _when(self) -> datetime:
        """When the turn began, by the shop's clock: what its prompts and the check of its answers call now."""
        return self.claim.started_at.astimezone(self._shop_zone())

    def _shop_zone(self) -> tzinfo:
        """The shop's time zone as last returned by Shopify, which decides what "today" is; UTC if unknown."""
        zone: tzinfo = UTC
        for data in self._data():
            named = data.get("time_zone") or (data.get("shop") or {}).get("time_zone")
            with contextlib.suppress(KeyError, ValueError, OSError, TypeError):
                zone = ZoneInfo(named) if named else zone
        return zone

    def _data(self) -> Iterator[dict[str, Any]]:
        """The data of tool results, this turn's last."""
        for step in [*(step for turn in self.history for step in turn.steps), *self.steps]:
            for result in step.tool_results or ():
                data = result["content"].get("data")
                if isinstance(data, dict):
                    yield data

    def promised(self) -> Promised | None:
        """What must still be told after this turn, because it could not be read now."""
        lacks = self.lacks()
        return lacks if self.asked or lacks == "data" else None

    def lacks(self) -> Promised | None:
        """The data that could not be read for what this turn answers."""
        found = self._rests_on()
        if any(result.get("error_code") in AWAITED for result in found if not result.get("success")):
            return "store"
        return "data" if awaited(found) and not self.claim.input.text.startswith(FOLLOW_UP) else None

    def data_after(self) -> float:
        """Seconds until the missing data may be available."""
        return max(FIRST_LOOK_SECONDS, *awaited(self._rests_on()).values(), 0.0)

    def _rests_on(self) -> list[dict[str, Any]]:
        """The results behind its words: its own or, if it has none, those of the earlier turns that it answers."""
        return self.results() or self._owed_results()

    def _owed_results(self) -> list[dict[str, Any]]:
        steps = (step for turn in self.owed for step in turn.steps)
        return [result["content"] for step in steps for result in step.tool_results or ()]

    def last_error(self) -> str | None:
        """The error code of the turn's last failed tool call, if any."""
        codes = self.errors()
        return codes[-1] if codes else None

    def errors(self) -> list[str | None]:
        """The error codes of the turn's failed tool calls, in order."""
        return [result.get("error_code") for result in self.results() if not result.get("success")]


def _written(said: TurnInput, absorbed: Iterable[Absorbed | AbsorbedTurn]) -> list[str]:
    """What the merchant wrote, of what a turn answers."""
    heard = (said, *(item.input for item in absorbed))
    return [said.text for said in heard if said.sender == "merchant" and not said.cleanup_trigger]
