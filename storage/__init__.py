"""Persistence: rows in Postgres, and a Redis cache that may vanish at any moment.

Imports only `events` from the other packages. Functions take a session and run inside the caller's transaction; each
module has its SQL beside it, in a file of the same name. Nothing is connected at import.

Start with `models` (every table on one page), then `inbox`, `turns` and `outbox`: the path of an event to its replies.
Only `merchants` reads and writes access tokens. README.md says how nothing is lost.
"""
