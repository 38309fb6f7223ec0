"""Shopify's response when it grants an access token:
https://shopify.dev/docs/apps/build/authentication-authorization/access-tokens/authorization-code-grant"""

import re
from typing import Annotated, TypeGuard

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr

from events.fields import refused

NEEDED = "must be 10 to 500 printable ASCII characters without spaces"
_TOKEN = re.compile(r"[\x21-\x7e]{10,500}")


def is_token(value: object) -> TypeGuard[str]:
    """Whether this can be an access or refresh token."""
    return isinstance(value, str) and _TOKEN.fullmatch(value) is not None


def _token(secret: SecretStr) -> SecretStr:
    if not is_token(secret.get_secret_value()):
        raise refused("event.bad_value", NEEDED)
    return secret


Token = Annotated[SecretStr, AfterValidator(_token)]
Seconds = Annotated[int, Field(gt=0, lt=10**9)]


class TokenResponse(BaseModel):
    """As far as it is stored. Times are in seconds from when it was granted; None: it does not expire."""

    model_config = ConfigDict(extra="ignore")

    access_token: Token
    scope: str | None = None
    expires_in: Seconds | None = None
    refresh_token: Token | None = None
    refresh_token_expires_in: Seconds | None = None

    @property
    def scopes(self) -> tuple[str, ...]:
        """The granted scopes; none if it does not list them."""
        return split_scopes(self.scope or "")


PRIVATE = tuple(TokenResponse.model_fields)
"""Fields whose values errors must not repeat."""


def split_scopes(text: str) -> tuple[str, ...]:
    """The scopes in a list separated by commas."""
    return tuple(scope.strip() for scope in text.split(",") if scope.strip())
