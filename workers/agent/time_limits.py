"""Every time limit of a turn, in seconds: how long until the merchant gets an answer, or "Sorry".

    workflow's turn_timeout_seconds (default 60), from the first claim
    ├── CLOSING_SECONDS before it    no more tools: the model sums up what it has found
    ├── MINIMUM_SECONDS before it    no more model calls: "Sorry, that took me too long."
    └── one model call               MODEL_CALL_SECONDS, shared by all attempts on all configured models
        └── no model answered        retried after MODEL_RETRY_SECONDS or the wait it named, as long as
                                     LONGEST_MODEL_RETRY_SECONDS remain; then "Sorry, I can't think straight"
    the tool calls of one step       TOOL_SECONDS; resent every ASK_AGAIN_SECONDS; then "did not arrive in time"
    Postgres unavailable             TRANSACTION_SECONDS; then the turn is abandoned until its lease expires
    the worker dies                  CJ_LEASE_SECONDS until another takes over, with at least GRACE_SECONDS to answer;
                                     after `storage.turns.MAX_FAILURES` deaths "Sorry, I lost my train …"

`workers.model.client` divides one call's time among models; a fetch's own deadline is in `workers.shop.fetch`.
"""

MODEL_CALL_SECONDS = 30.0
"""Longest model call, including fallbacks and retries."""
MODEL_RETRY_SECONDS = 2.0
"""Pause before retrying when all models were unavailable and none named a wait."""
LONGEST_MODEL_RETRY_SECONDS = 10.0
"""A waiting turn blocks its conversation, so no pause is longer."""
TOOL_SECONDS = 12.0
"""Longest wait for the tool calls of one step."""
ASK_AGAIN_SECONDS = 1.5
"""A request without an answer is resent after this long: its message or its worker may be lost."""
CLOSING_SECONDS = 8.0
"""With less time than this left, the model is asked once more, without tools, to sum up what was found."""
MINIMUM_SECONDS = 1.0
"""With less time than this left, the model is not asked again."""
GRACE_SECONDS = 15.0
"""Time to answer for a turn that resumes after its deadline because its worker died."""
TRANSACTION_SECONDS = 5.0
"""How long a transaction is retried while Postgres is unavailable, before the turn is abandoned to its lease."""
