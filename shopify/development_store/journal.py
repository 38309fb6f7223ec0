"""What was asked of the store, for tests and benchmarks."""

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

KEPT = 50_000


@dataclass(frozen=True)
class Request:
    """One request that was answered, or not."""

    received_at: float
    """Unix time, with fractions."""
    shop: str
    target: str
    operation: str | None
    status: int
    """HTTP status; 0 if the connection was closed without one."""
    code: str | None
    """`extensions.code` of the first error, if there was one."""
    requested_cost: int | None
    actual_cost: int | None
    version: str | None
    request_id: str
    seconds: float


class Journal:
    """The latest requests, oldest first. Every call is atomic, from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._requests: deque[Request] = deque(maxlen=KEPT)
        #: How many requests are being answered.
        self.open_requests = 0

    @contextmanager
    def visit(self) -> Iterator[None]:
        """A request is being answered while the block runs."""
        with self._lock:
            self.open_requests += 1
        try:
            yield
        finally:
            with self._lock:
                self.open_requests -= 1

    def add(self, request: Request) -> None:
        """Note a request."""
        with self._lock:
            self._requests.append(request)

    def requests(
        self, shop_domain: str | None = None, since: float = 0.0, operation: str | None = None
    ) -> list[Request]:
        """The requests of a shop since a Unix time."""
        with self._lock:
            return [
                request
                for request in self._requests
                if request.received_at >= since
                and shop_domain in (None, request.shop)
                and operation in (None, request.operation)
            ]

    def clear(self) -> None:
        """Forget them."""
        with self._lock:
            self._requests.clear()


def shown(requests: list[Request]) -> list[dict[str, Any]]:
    """As JSON-able dicts."""
    return [asdict(request) for request in requests]
