"""A slow language model in its own process: `python -m bench.thinking_model SECONDS`.

Speaks OpenAI's protocol on loopback and gives the demo model's answers. Prints its address; exits when stdin closes.
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
