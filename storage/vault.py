"""Seals access tokens: AES-256-GCM, bound to the row and column they belong to.

A sealed token is `key id (1 byte) || nonce (12) || ciphertext and tag`. What it is bound to (the additional data,
see `binding`) is not stored but rebuilt from the row, so a token copied into another row or column does not open.

Keys are written `2:base64,1:base64`: the first one seals, all of them open. To change the key, put a new one in
front, reseal everything (`storage.merchants.reseal`), then drop the old one.

Errors: InvalidTokenKeys, TokenUnreadable, UnknownTokenKey. None shows a key or a token.
"""

import base64
import binascii
import os
from collections.abc import Collection, Mapping
from typing import Literal

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from pydantic import SecretStr

from storage.errors import InvalidTokenKeys, TokenUnreadable, UnknownTokenKey

KEY_BYTES = 32
LARGEST_ID = 255
#: 96 bits at random, as https://csrc.nist.gov/pubs/sp/800/38/d/final recommends for up to 2**32 tokens per key.
NONCE_BYTES = 12
TAG_BYTES = 16

ADVICE = "write e.g. 2:base64,1:base64 with 32 bytes each"


class Vault:
    """Seals with the first key, opens with any. Thread-safe."""

    def __init__(self, keys: Mapping[int, bytes]) -> None:
        self._ciphers = {key_id: AESGCM(key) for key_id, key in keys.items()}
        self._sealing_id = next(iter(keys))

    @classmethod
    def from_text(cls, text: str) -> "Vault":
        """Parse CJ_TOKEN_KEYS. Raises InvalidTokenKeys, which names an entry by its position, never by its content."""
        keys: dict[int, bytes] = {}
        for place, entry in enumerate(text.split(","), start=1):
            key_id, key = _entry(entry.strip(), place)
            if key_id in keys:
                raise InvalidTokenKeys(f"key id {key_id} is there twice; every key needs its own")
            if key in keys.values():
                raise InvalidTokenKeys(f"entry {place} is the same key under another id; make a new key")
            keys[key_id] = key
        return cls(keys)

    @property
    def key_ids(self) -> tuple[int, ...]:
        """The ids of all keys, the sealing one first."""
        return tuple(self._ciphers)

    @property
    def sealing_id(self) -> int:
        """The id of the key that seals."""
        return self._sealing_id

    def seal(self, plain: SecretStr, *, aad: str) -> bytes:
        """Seal a token, bound to `aad`."""
        nonce = os.urandom(NONCE_BYTES)
        sealed = self._ciphers[self._sealing_id].encrypt(nonce, plain.get_secret_value().encode(), aad.encode())
        return bytes([self._sealing_id]) + nonce + sealed

    def open(self, blob: bytes, *, aad: str) -> SecretStr:
        """Open a sealed token. Raises UnknownTokenKey, or TokenUnreadable if it is not what was sealed for `aad`."""
        blob = bytes(blob)
        if len(blob) < 1 + NONCE_BYTES + TAG_BYTES:
            raise TokenUnreadable("a stored token is too short to be a sealed one; `cj tokens reseal` lists such rows")
        cipher = self._ciphers.get(blob[0])
        if cipher is None:
            raise UnknownTokenKey(blob[0], self.key_ids)
        try:
            plain = cipher.decrypt(blob[1 : 1 + NONCE_BYTES], blob[1 + NONCE_BYTES :], aad.encode())
        except InvalidTag:
            raise TokenUnreadable(
                "a stored token does not open: CJ_TOKEN_KEYS has another key under its id, or its row was changed; "
                "`cj check` says which"
            ) from None
        return SecretStr(plain.decode())

    def __repr__(self) -> str:
        return f"Vault(key_ids={self.key_ids})"


def binding(merchant_id: str, shop_domain: str, kind: Literal["access", "refresh"]) -> str:
    """The additional data a token is bound to. Unambiguous: neither a shop domain nor a kind contains a bar."""
    return f"shopify|{merchant_id}|{shop_domain}|{kind}"


def key_id_of(blob: bytes) -> int | None:
    """The id of the key that sealed a token."""
    return bytes(blob)[0] if blob else None


def new_key_text(key_id: int = 1) -> str:
    """A fresh key as an entry of CJ_TOKEN_KEYS."""
    return f"{key_id}:{base64.b64encode(os.urandom(KEY_BYTES)).decode()}"


def next_id(used: Collection[int]) -> int:
    """An unused id for a new key, according to the ids in use. Raises ValueError if none is left."""
    key_id = max(used, default=0) + 1
    if key_id > LARGEST_ID:
        raise ValueError(f"key ids end at {LARGEST_ID}; name a free one with --id")
    return key_id


def _entry(text: str, place: int) -> tuple[int, bytes]:
    name, separator, encoded = text.partition(":")
    if not separator or not (name.isascii() and name.isdigit()) or not 1 <= int(name) <= 255:
        raise InvalidTokenKeys(f"entry {place} does not begin with a key id from 1 to 255; {ADVICE}")
    try:
        key = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        raise InvalidTokenKeys(f"entry {place} (key {name}) is not base64; {ADVICE}") from None
    if len(key) != KEY_BYTES:
        raise InvalidTokenKeys(f"entry {place} (key {name}) has {len(key)} bytes, not {KEY_BYTES}; {ADVICE}")
    return int(name), key
