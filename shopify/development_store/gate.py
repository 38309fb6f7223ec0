"""What every resolver needs: the scope that opens a field, errors with Shopify's extensions, pages of records."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from graphql import GraphQLError, GraphQLResolveInfo

from shopify.development_store.pagination import BadPaging, Page, Paging, SortKey, page_of
from shopify.development_store.viewer import Viewer

Resolver = Callable[..., Any]
Info: TypeAlias = "GraphQLResolveInfo[Viewer]"

SCOPES_PAGE = "https://shopify.dev/api/usage/access-scopes"

BY_NUMBER = SortKey(lambda record: str(record.number))


def refused(message: str, code: str, **more: Any) -> GraphQLError:
    """An error with Shopify's extensions; the executor adds locations and path."""
    return GraphQLError(message, extensions={"code": code, **more})


def require(info: Info, scope: str) -> Viewer:
    """The viewer, if it holds the scope that the field needs; raises ACCESS_DENIED."""
    viewer: Viewer = info.context
    if scope not in viewer.scopes:
        needed = f"`{scope}` access scope."
        raise refused(
            f"Access denied for {info.field_name} field. Required access: {needed}",
            "ACCESS_DENIED",
            documentation=SCOPES_PAGE,
            requiredAccess=needed,
        )
    return viewer


def page(records: Sequence[Any], sort: SortKey, arguments: Mapping[str, Any], *, searched: bool = False) -> Page:
    """The page of ascending records that the connection's arguments ask for; raises BAD_REQUEST."""
    if arguments.get("savedSearchId"):
        raise refused("The development store has no saved searches.", "NOT_IMPLEMENTED")
    paging = Paging(
        first=arguments.get("first"),
        last=arguments.get("last"),
        after=arguments.get("after"),
        before=arguments.get("before"),
        reverse=bool(arguments.get("reverse")),
    )
    try:
        return page_of(records, sort, paging, searched=searched)
    except BadPaging as bad:
        raise refused(str(bad), "BAD_REQUEST") from None
