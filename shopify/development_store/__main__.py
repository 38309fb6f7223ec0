"""`python -m shopify.development_store`: the development store as a process."""

import argparse
import asyncio
import signal
import sys

from shopify.development_store.faults import StoreFault
from shopify.development_store.server import application
from shopify.development_store.store import BUILT_IN, Store
from shopify.development_store.tokens import token_for
from shopify.server_thread import serve


def main() -> int:
    """Serve until SIGTERM or SIGINT. Returns the exit code: 0, or 2 if the address cannot be used."""
    options = _options()
    store = Store()
    if options.latency:
        store.faults.add(StoreFault(kind="latency", seconds=options.latency / 1_000))
    try:
        asyncio.run(_serve(store, options.host, options.port))
    except OSError as problem:
        sys.stderr.write(f"development store: cannot listen on {options.host}:{options.port}: {problem}\n")
        return 2
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m shopify.development_store",
        description="A local stand-in for Shopify's Admin GraphQL API.",
        epilog=f"Shops: {', '.join(BUILT_IN)}. More with POST /_control/shops; faults with POST /_control/faults.",
    )
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=4010, help="0 picks a free one (default: 4010)")
    parser.add_argument(
        "--latency",
        type=float,
        default=0.0,
        metavar="MS",
        help="delay of every answer in milliseconds (Shopify: about 80)",
    )
    return parser.parse_args()


async def _serve(store: Store, host: str, port: int) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    runner, bound = await serve(application(store), host, port)
    sys.stdout.write(f"development store ready: SHOPIFY_ADMIN_URL=http://{host}:{bound}/{{shop}}/admin\n")
    for domain in BUILT_IN:
        sys.stdout.write(f"  token of {domain}: {token_for(domain)}\n")
    sys.stdout.flush()
    await stop.wait()
    await runner.cleanup()


if __name__ == "__main__":
    sys.exit(main())
