"""One agent worker inside the test: real rows, a real model client, and a clock that is put forward."""

import contextlib
import itertools
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, cast

from sqlalchemy import text

from storage.database import Database
from storage.outbox import OutgoingReply
from storage.turns import Claim
from tests import rows
from workers.agent.cost_limits import CostLimits
from workers.agent.leases import LeaseKeeper
from workers.agent.runner import TurnRunner
from workers.agent.tools import Tools
from workers.agent.transactions import TurnTransactions
from workers.delivery.reply_publisher import ReplyPublisher
from workers.delivery.sweeper import Duties
from workers.delivery.wake_ups import WakeUps
from workers.model.client import Model
from workers.model.response import ToolCall
from workers.operations import migrations
from workers.scenario import time_travel
from workers.settings import Settings
from workers.shop.results import Result
from workers.workflow.promises import PromiseKeeper
from workflows.workflow import WorkflowSet

LEASE_SECONDS = 10.0


class Killed(BaseException):
    """The worker dies here, as by SIGKILL: nothing of it is cleaned up."""


def with_clock(url: str) -> None:
    """Give an empty database its tables, and a clock that can be put forward."""
    time_travel.install(url)
    migrations.upgrade(url)


class AgentWorker:
    """Runs turns one after the other; a pause takes no time."""

    def __init__(self, database: Database, workflows: WorkflowSet, *, names: Sequence[str] = (), **limits: int) -> None:
        self.database = database
        self.ahead = 0.0
        self.woken: dict[int, float] = {}
        self.results: Callable[[Sequence[ToolCall]], list[Result]] = lambda calls: [counts(call) for call in calls]
        self.ran: list[ToolCall] = []
        self.model = Model(names, clock=self.clock, sleep=self.advance)
        self.runner = TurnRunner(
            transactions=TurnTransactions(database, workflows, lease_seconds=LEASE_SECONDS, owner="test"),
            model=self.model,
            tools=cast(Tools, self),
            reply_publisher=cast(ReplyPublisher, self),
            wake_ups=cast(WakeUps, self),
            leases=cast(LeaseKeeper, self),
            draining=threading.Event(),
            cost_limits=replace(CostLimits.of(Settings()), **limits),
        )

    # time

    def clock(self) -> float:
        return time.monotonic() + self.ahead

    def advance(self, seconds: float) -> None:
        self.ahead += seconds
        with self.database.transaction() as session:
            session.execute(text("UPDATE scenario.clock SET ahead = ahead + make_interval(secs => :s)"), {"s": seconds})

    # what the runner works with

    def publish(self, replies: Sequence[OutgoingReply]) -> int:
        return len(replies)

    def run_turn(self, turn_id: int, after_seconds: float = 0.0) -> bool:
        self.woken[turn_id] = after_seconds
        return True

    def keep_promise(self, turn_id: int) -> bool:
        """An agent found a model: as a workflow worker does, queue the turn that answers."""
        PromiseKeeper(self.database, cast(Tools, self), cast(WakeUps, self)).keep(turn_id)
        return True

    @contextmanager
    def hold(self, _claim: Claim) -> Iterator[None]:
        yield

    def run(self, _claim: Claim, calls: Sequence[ToolCall], **_limits: Any) -> list[Result]:
        """The results of tool calls."""
        self.ran += calls
        return self.results(calls)

    # what tests do

    def ends(self, turn_id: int, *, most: int = 100) -> float:
        """Run the turn until it has ended; returns the seconds it took. Fails after `most` claims."""
        began = self.clock()
        for _ in range(most):
            if self.status(turn_id) in ("done", "dead"):
                return self.clock() - began
            self.woken.clear()
            with contextlib.suppress(Killed):
                self.runner.run(turn_id)
            if self.status(turn_id) == "running":  # its worker died
                self.advance(LEASE_SECONDS + 1)
                with self.database.transaction() as session:
                    Duties().expire_leases(session)
            else:
                self.advance(self.woken.get(turn_id, 0.0))
        raise AssertionError(f"the turn was claimed {most} times in {self.clock() - began:.0f} s and did not end")

    def status(self, turn_id: int) -> str:
        [(status,)] = rows.query(self.database, "SELECT status FROM turns WHERE id = :id", id=turn_id)
        return str(status)

    def said(self, turn_id: int) -> list[str]:
        """The words of a turn: what CJ said, and the sentence of an error."""
        found = rows.query(
            self.database,
            "SELECT e ->> 'delta' FROM replies, jsonb_array_elements(body -> 'data') WITH ORDINALITY AS d (e, place)"
            " WHERE turn_id = :id AND e ->> 'type' = 'TEXT_MESSAGE_CONTENT' ORDER BY sequence, place",
            id=turn_id,
        )
        return [words for (words,) in found if words]

    def end(self, turn_id: int) -> list[tuple[str, str | None]]:
        """Type and code of everything that ended a turn; there must be exactly one."""
        return [
            (kind, code)
            for kind, code in rows.query(
                self.database,
                "SELECT body -> 'data' -> -1 ->> 'type', body -> 'data' -> -1 ->> 'code' FROM replies"
                " WHERE turn_id = :id AND key = 'end'",
                id=turn_id,
            )
        ]


def counts(call: ToolCall) -> Result:
    """A small result of a tool call."""
    data_type = str((call.arguments or {}).get("data_type", "counts"))
    return {"success": True, "data_type": data_type, "data": {"customers": 7, "orders": 3}, "cached": False}


_merchants = itertools.count(1)


class Merchant:
    """One merchant and conversation in a worker of its own."""

    def __init__(self, worker: AgentWorker) -> None:
        number = next(_merchants)
        self.worker = worker
        self.id, self.conversation = f"m{number}", f"c{number}"

    def say(self, words: str = "hello", conversation: str | None = None) -> int:
        where = {"conversation_id": conversation or self.conversation, "merchant_id": self.id}
        return rows.queue(self.worker.database, words, **where)

    def asks(self, words: str = "hello", conversation: str | None = None) -> tuple[tuple[str, str | None], list[str]]:
        """How the turn on these words ends, and what the merchant hears."""
        turn_id = self.say(words, conversation)
        self.worker.ends(turn_id)
        [end] = self.worker.end(turn_id)
        return end, self.worker.said(turn_id)


Hire = Callable[..., Merchant]
"""The fixture that makes a merchant."""
