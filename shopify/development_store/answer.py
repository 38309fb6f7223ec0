"""An answer before it is sent."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from shopify.development_store import responses as answers
from shopify.development_store.bucket import Bucket

JSON = "application/json; charset=utf-8"
HTML = "text/html; charset=utf-8"


@dataclass
class Answer:
    """Status and body of an answer. A str is sent as HTML, everything else as JSON.

    An executed query is charged only when its answer is ready to go: until then the whole requested cost stays
    reserved, as at Shopify.
    """

    status: int
    body: Any
    headers: Mapping[str, str] = field(default_factory=dict)
    code: str | None = None
    requested_cost: int | None = None
    actual_cost: int | None = None
    bucket: Bucket | None = None

    @property
    def content_type(self) -> str:
        """The media type that fits the body."""
        return HTML if isinstance(self.body, str) else JSON

    def settle(self) -> None:
        """Charge what the query cost, and write it into the body. Done once, however often it is called."""
        if self.bucket is None or self.requested_cost is None or self.actual_cost is None:
            return
        self.bucket.charge(self.requested_cost, self.actual_cost)
        block = answers.cost(self.requested_cost, self.actual_cost, self.bucket.level())
        self.body["extensions"] = {"cost": block, **self.body.get("extensions", {})}
        self.bucket = None
