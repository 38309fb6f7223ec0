"""`python -m tests.chaos.skewed …` is `python -m tests.chaos.mutants …` on a machine whose clock is an hour ahead.

The clock is patched before any import, because libraries keep their own references to `time.time`.
"""

import time

AHEAD_SECONDS = 3600.0
_right = time.time
time.time = lambda: _right() + AHEAD_SECONDS

from tests.chaos.mutants import main  # noqa: E402 - see above

if __name__ == "__main__":
    main()
