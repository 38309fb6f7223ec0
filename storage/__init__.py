"""What is kept: rows in Postgres, and a Redis cache that may vanish at any instant.

Imports `events` and nothing else of ours. Functions take a session and run inside the caller's transaction; each module
has its SQL beside it, in a file of the same name. Nothing is connected at import.

Start with `models` (every table on one page), then `inbox`, `turns` and `outbox`: the way of an event to its replies.
Only `merchants` reads and writes access tokens. README.md says how nothing is lost.
"""
