"""A language model that thinks for a while, as a process of its own: `python -m bench.thinking_model SECONDS`.

Speaks OpenAI's protocol on loopback and says what the demo model says; prints its address and ends with its input.
"""

import sys

from tests.openai_server import OpenAIServer, Slow, plays_the_demo_model


def main() -> None:
    seconds = float(sys.argv[1])
    with OpenAIServer(lambda received: Slow(seconds, plays_the_demo_model(received))) as server:
        print(server.base_url, flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
