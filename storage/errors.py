"""What can go wrong in storage. Each error has a `code` for programs.

No message contains a parameter's value, a token or a key. Ids of merchants and conversations, and shop domains, are not
secret and may appear.
"""

from typing import ClassVar


class StorageError(Exception):
    """Base of all errors of this package."""

    code: ClassVar[str] = "storage.error"


class StorageUnavailable(StorageError):
    """Postgres is down, busy or full: try again later. A transaction whose commit was cut off may have succeeded."""

    code = "storage.unavailable"


class StorageRefused(StorageError):
    """Postgres refused a write that violates a rule of the schema, or a value: trying again does not help."""

    code = "storage.refused"


class SchemaMissing(StorageError):
    """A table or column is missing: the database's migrations are behind this code."""

    code = "storage.schema_missing"


class UnfitDatabase(StorageError):
    """The database was created in a way that no migration can fix; the text says how to create one."""

    code = "storage.unfit_database"


class LostTurn(StorageError):
    """The running turn was taken over (its lease ran out) or has ended: this attempt may no longer write."""

    code = "storage.lost_turn"

    def __init__(self, turn_id: int, attempt: int) -> None:
        super().__init__(f"turn {turn_id} no longer belongs to attempt {attempt}")
        self.turn_id = turn_id
        self.attempt = attempt


class UnknownConversation(StorageError):
    """No conversation with this id, or not this merchant's."""

    code = "storage.unknown_conversation"


class ConversationOfAnotherMerchant(StorageError):
    """A conversation with this id exists and belongs to another merchant."""

    code = "storage.conversation_of_another_merchant"


class ShopConnectedElsewhere(StorageError):
    """The shop is connected by another merchant; it must be disconnected there first."""

    code = "storage.shop_connected_elsewhere"


class ShopCannotMove(StorageError):
    """The shop is not connected, or the other merchant has one already; the message says what to do."""

    code = "storage.shop_cannot_move"


class InvalidShopDomain(StorageError):
    """Not the domain of a Shopify shop, `<name>.myshopify.com`."""

    code = "storage.invalid_shop_domain"


class MerchantNameTaken(StorageError):
    """Another merchant has this name."""

    code = "storage.merchant_name_taken"


class TokenUnreadable(StorageError):
    """A sealed token cannot be opened: it was changed, moved to another row or column, or sealed with another key."""

    code = "storage.token_unreadable"


class UnknownTokenKey(TokenUnreadable):
    """A token was sealed with a key that CJ_TOKEN_KEYS does not have."""

    code = "storage.unknown_token_key"

    def __init__(self, key_id: int, known: tuple[int, ...]) -> None:
        names = ", ".join(map(str, known))
        super().__init__(
            f"a token was sealed with key {key_id}, but CJ_TOKEN_KEYS has only: {names}; add key {key_id} again"
        )
        self.key_id = key_id


class InvalidTokenKeys(StorageError):
    """CJ_TOKEN_KEYS is not `id:base64` pairs separated by commas; the message never repeats a key."""

    code = "storage.invalid_token_keys"
