"""`cj demo`: the whole flow; nothing to configure."""

import signal
from types import FrameType

import click

from workers.cli.common import CommandFailed, WrongUse, examples
from workers.cli.up import say

STORES = ("new", "tiny", "medium", "large", "huge")


@click.command(
    short_help="See the whole flow; nothing to configure.",
    epilog=examples("cj demo", "cj demo --store new", "cj demo --fault unauthorized"),
)
@click.option("--store", type=click.Choice(STORES), default="medium", show_default=True, help="Size of the store.")
@click.option("--fault", metavar="NAME", help="Fault to inject at the store, e.g. unauthorized, throttled, frozen.")
def demo(store: str, fault: str | None) -> None:
    """Connect a store and watch CJ say true things about it.

    Starts everything it needs and stops it afterwards. Only the store and the model are local stand-ins.
    """
    from shopify.development_store.faults import UnknownFault
    from workers.local.demo import Demo, DemoFailed

    signal.signal(signal.SIGTERM, _interrupt)
    signal.signal(signal.SIGHUP, _interrupt)
    try:
        Demo(store, fault, say=click.echo, say_step=say).run()
    except UnknownFault as error:
        raise WrongUse(str(error)) from None
    except DemoFailed as error:
        raise CommandFailed(str(error)) from None
    except KeyboardInterrupt:
        raise CommandFailed("interrupted; everything was stopped") from None


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
