"""Every time limit of a turn, in seconds: how long until the merchant gets an answer, or "Sorry".

    the whole turn                   the workflow's turn_timeout_seconds (default 60) from the first claim, pauses and
    │                                waits included, whoever runs it; plus GRACE_SECONDS, once, if its worker died
    ├── CLOSING_SECONDS before it    tools are no longer offered: the model says what it has found
    ├── MINIMUM_SECONDS before it    the model is not called any more: "Sorry, that took me too long."
    └── one model call               MODEL_CALL_SECONDS, shared by all tries of all configured models
        └── no model answered        retried after MODEL_RETRY_SECONDS, then twice as long each time, or as the provider
                                     says, until the merchant has heard nothing for SILENCE_SECONDS; then "I can't think
                                     straight", and the turn ends with a promise (`decide.after_outage`): agents try a
                                     model again (`storage.turns.MODEL_PAUSES_SECONDS`), and another turn answers; after
                                     LONGEST_OUTAGE_SECONDS "I'm sorry"
    the tool calls of one step, and  TOOL_SECONDS; requested again each ASK_AGAIN_SECONDS; then "cannot be read now"
    prefetched data at the start
    Postgres is down                 TRANSACTION_SECONDS; then the turn is left to its lease
    nothing was said                 `storage.turns.CONNECTED_WORDS_SECONDS` after a store was connected, else
                                     WORDS_SECONDS: the sweeper says what CJ is waiting for, whatever hangs
    its worker dies                  CJ_LEASE_SECONDS until another takes over; after `storage.turns.MAX_FAILURES`
                                     deaths "Sorry, I lost my train …"

`workers.model.client` divides one call's time among models; a fetch's own deadline is in `workers.shop.fetch`.
"""

MODEL_CALL_SECONDS = 30.0
"""Longest model call, including fallbacks and retries."""
MODEL_RETRY_SECONDS = 2.0
"""First pause before a retry when all models were unavailable."""
SILENCE_SECONDS = 3.5
"""Silence after which the merchant is told about an outage."""
LONGEST_OUTAGE_SECONDS = 6 * 3600.0
"""How long an answer may be owed because no model answers."""
TOOL_SECONDS = 7.0
"""Longest wait for the tool calls of one step: a little more than a fetch may take (`workers.shop.fetch`)."""
KEEP_SECONDS = 0.3
"""Tool results that arrive within this time are committed with the model's next answer: if the worker dies, they are
quick to get again. Slower results are committed and sent at once."""
ASK_AGAIN_SECONDS = 1.5
"""A fetch request without an answer is sent again after this time: its message or its worker may be lost."""
PICK_UP_SECONDS = 0.5
"""While Redis is away, an answer is looked for in Postgres this often; else only before it is asked for again."""
FIRST_LOOK_SECONDS = 5.0
"""From the end of a turn without data that Shopify could not deliver until the first new try."""
PROMISE_SECONDS = 600.0
"""How long that is tried; then the merchant is told that it did not work."""
LOOK_SECONDS = 3.0
"""Longest wait for one such try; the conversation goes on meanwhile."""
CLOSING_SECONDS = 8.0
"""With less time left than this, the model is called once more, without tools, to sum up what was found."""
MINIMUM_SECONDS = 1.0
"""With less time left than this, the model is not called again."""
GRACE_SECONDS = 25.0
"""Added to a turn's time, once, if its worker died: enough for the lease to run out and another worker to end the turn,
even at the very end; what CJ_LEASE_SECONDS leave of it is for the model."""
TAKE_OVER_SECONDS = 1.0
"""From the end of a lease until another worker has the turn."""
TRANSACTION_SECONDS = 5.0
"""How long a transaction is retried while Postgres is down, before the turn is left to its lease."""
