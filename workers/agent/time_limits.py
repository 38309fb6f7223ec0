"""Every time limit of a turn, in seconds: how long until the merchant gets an answer, or "Sorry".

    workflow's turn_timeout_seconds (60 unless it says otherwise), counted once, from the first claim; pauses and waits
    count, whoever runs the turn; GRACE_SECONDS more, once, for a turn whose worker died; by then it ends
    ├── CLOSING_SECONDS before it    tools are no longer offered: the model says what it has found
    ├── MINIMUM_SECONDS before it    nothing is asked any more: "Sorry, that took me too long."
    └── one call of a model          MODEL_CALL_SECONDS, shared by all tries of all configured models
        └── no model answered        asked again after MODEL_RETRY_SECONDS, then twice as long each time, or the wait
                                     it named, while the merchant has heard nothing for SILENCE_SECONDS; then "I can't
                                     think straight", and the turn ends with a promise (`decide.after_outage`): agents
                                     look for a model (`storage.turns.MODEL_PAUSES_SECONDS`), and a turn of its own
                                     answers; after LONGEST_OUTAGE_SECONDS "I'm sorry"
    the tool calls of one step, and  TOOL_SECONDS; asked for again each ASK_AGAIN_SECONDS; then "did not arrive in time"
    prefetched data to begin with
    Postgres away                    TRANSACTION_SECONDS; then the turn is left to its lease
    nothing was said                 `storage.turns.CONNECTED_WORDS_SECONDS` after a store was connected, else
                                     WORDS_SECONDS: the sweeper says what CJ is waiting for, whatever hangs
    its worker dies                  CJ_LEASE_SECONDS until another takes over; after `storage.turns.MAX_FAILURES`
                                     deaths "Sorry, I lost my train …"

`workers.model.client` divides one call's time among models; a fetch's own deadline is in `workers.shop.fetch`.
"""

MODEL_CALL_SECONDS = 30.0
"""Longest model call, including fallbacks and retries."""
MODEL_RETRY_SECONDS = 2.0
"""First pause before models that were all unavailable are asked again."""
SILENCE_SECONDS = 3.5
"""An outage is told when a merchant has heard nothing for so long."""
LONGEST_OUTAGE_SECONDS = 6 * 3600.0
"""How long an answer may be owed because no model gives one."""
TOOL_SECONDS = 7.0
"""Longest wait for the tool calls of one step: a little more than a fetch may take (`workers.shop.fetch`)."""
KEEP_SECONDS = 0.3
"""What tools answer within it is kept in one commit with the model's next answer: it is as quick to get again, should
this worker die. What took longer is kept and told at once."""
ASK_AGAIN_SECONDS = 1.5
"""A request without an answer is resent after this long: its message or its worker may be lost."""
FIRST_LOOK_SECONDS = 5.0
"""After a turn ended without data that Shopify could not give, until it is looked for again."""
PROMISE_SECONDS = 600.0
"""How long it is looked for; then the merchant is told that it did not work."""
LOOK_SECONDS = 3.0
"""Longest wait for it: the conversation goes on meanwhile."""
CLOSING_SECONDS = 8.0
"""With less time than this left, the model is asked once more, without tools, to sum up what was found."""
MINIMUM_SECONDS = 1.0
"""With less time than this left, the model is not asked again."""
GRACE_SECONDS = 25.0
"""What is added to a turn's time, once, if its worker died: until the lease has run out and another one ends the turn,
should that happen at its very end; what CJ_LEASE_SECONDS leave of it is for the model."""
TAKE_OVER_SECONDS = 1.0
"""From the end of a lease until another worker has the turn."""
TRANSACTION_SECONDS = 5.0
"""How long a transaction is retried while Postgres is unavailable, before the turn is abandoned to its lease."""
