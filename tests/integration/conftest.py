"""Fixtures for tests that use a development store."""

from collections.abc import Iterator

import httpx
import pytest

from shopify.development_store.server import DevelopmentStore
from shopify.transport import http_client


@pytest.fixture(scope="module")
def http() -> Iterator[httpx.Client]:
    """The HTTP client workers use for Shopify."""
    with http_client() as client:
        yield client


@pytest.fixture(scope="module")
def store() -> Iterator[DevelopmentStore]:
    """A store without shops; a test that registers some resets it."""
    with DevelopmentStore().start() as store:
        yield store
