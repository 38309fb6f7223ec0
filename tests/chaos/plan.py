"""Plans a run from its seed: which events, published how, and which faults when. Pure.

The seed fixes this schedule; how the processes' steps interleave with the faults depends on the machine.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

SENTENCES = (
    "How many customers do I have?",
    "Hello",
    "What about my recent orders?",
    "Thanks",
    "How is the week going?",
    "Which products are in stock?",
)
REQUESTS = ("stop_requested", "replies_requested")
#: Each kind of fault, and how many in a hundred.
WEIGHTS = {
    "kill": 42,
    "freeze": 16,
    "flush": 12,
    "valkey_loses_all": 9,
    "valkey_keeps_its_log": 9,
    "postgres_crash": 12,
}
#: One fault in this many coincides with others.
TOGETHER_ONE_IN = 5


@dataclass(frozen=True)
class Given:
    """One event, published `copies` times; its row is written `row_after` seconds later, as by a source with an
    outbox. With zero copies there is only the row. `by_door`: it is sent there, and its conversation is read there."""

    at: float
    id: str
    source: str
    type: str
    data: Mapping[str, Any]
    copies: int
    row_after: float
    by_door: bool = False

    @property
    def conversation_id(self) -> str:
        return str(self.data["conversation_id"])


@dataclass(frozen=True)
class Fault:
    """`seconds`: how long a process is frozen or a server away."""

    at: float
    kind: str
    target: str = ""
    seconds: float = 0.0

    def __str__(self) -> str:
        lasts = f" for {self.seconds:.1f} s" if self.seconds else ""
        return f"{self.at:6.1f} s  {self.kind}{f' {self.target}' if self.target else ''}{lasts}"


@dataclass(frozen=True)
class Merchant:
    merchant_id: str
    shop_domain: str
    conversation_id: str
    by_door: bool


def merchants(name: str, count: int, *, doors: bool = False) -> list[Merchant]:
    """`count` merchants that no other run uses; with `doors` every other one is there."""
    return [
        Merchant(f"{name}-m{n}", f"{name}-{n}.myshopify.com", f"{name}-c{n}", doors and n % 2 == 1)
        for n in range(count)
    ]


def events(
    name: str,
    whose: Sequence[Merchant],
    *,
    seconds: float,
    rate: float,
    copies: Sequence[int],
    dice: random.Random,
    requests: int = 0,
) -> list[Given]:
    """`rate` events per second: each conversation begins by connecting its store; the rest are messages.

    The number of times each is published is drawn from `copies`. With `requests`, one in so many messages is a stop or,
    of a conversation on the queue, a frontend that comes back.
    """
    planned: list[Given] = []
    for number in range(int(seconds * rate)):
        first = number < len(whose)
        merchant = whose[number] if first else dice.choice(whose)
        data: dict[str, Any] = {"merchant_id": merchant.merchant_id, "conversation_id": merchant.conversation_id}
        kind = "oauth_complete" if first else "message_received"
        if not first and requests and dice.randrange(requests) == 0:
            kind = "stop_requested" if merchant.by_door else dice.choice(REQUESTS)
        match kind:
            case "oauth_complete":
                data |= {"provider": "shopify", "success": True, "shop_domain": merchant.shop_domain}
            case "message_received":
                data["text"] = dice.choice(SENTENCES)
            case "stop_requested":
                data |= {"all": True} if dice.randrange(2) else {}
            case _ if dice.randrange(2):
                data["snapshot"] = True
            case _:
                data["after"] = {"turn": dice.randrange(4), "sequence": dice.randrange(4)}
        times = dice.choice(copies)
        planned.append(
            Given(
                at=number / rate,
                id=f"{name}-e{number}",
                source="/auth" if first else "/gateway",
                type=kind,
                data=data,
                copies=times,
                row_after=dice.uniform(0.0, 2.0) if times else 0.0,
                by_door=merchant.by_door,
            )
        )
    return planned


def faults(
    targets: Sequence[str],
    *,
    seconds: float,
    lease_seconds: float,
    pause: tuple[float, float],
    dice: random.Random,
) -> list[Fault]:
    """Faults `pause` seconds apart (least, most), until two seconds before the load ends."""
    planned: list[Fault] = []
    at = dice.uniform(*pause)
    while at < seconds - 2.0:
        together = dice.randint(2, 3) if dice.randrange(TOGETHER_ONE_IN) == 0 else 1
        for kind in dict.fromkeys(dice.choices(list(WEIGHTS), list(WEIGHTS.values()), k=together)):
            planned.append(_fault(at, kind, targets, lease_seconds, dice))
        at += dice.uniform(*pause)
    return planned


def _fault(at: float, kind: str, targets: Sequence[str], lease_seconds: float, dice: random.Random) -> Fault:
    match kind:
        case "kill":
            return Fault(at, kind, dice.choice(targets))
        case "freeze":
            return Fault(at, kind, dice.choice(targets), lease_seconds * dice.uniform(1.2, 2.0))
        case "flush":
            return Fault(at, kind)
        case _:
            return Fault(at, kind, seconds=dice.choice((0.0, 0.5, 2.0)))
