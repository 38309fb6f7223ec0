"""`cj workflows`: tools for people who write workflow YAML."""

import json
import time
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import click

from workers.cli.common import (
    CommandFailed,
    Seconds,
    WrongUse,
    examples,
    json_option,
    plain,
    print_json,
    settings_for,
    show,
    transaction,
)

if TYPE_CHECKING:
    from events.envelope import Event
    from storage.turns import TurnInput
    from workers.scenario.run import ScenarioResult
    from workflows.workflow import Workflow


FOLDER = click.option(
    "--workflows",
    "folder",
    metavar="FOLDER",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Workflow YAML to try; default: CJ_WORKFLOWS, else the shipped ones.",
)


@click.group(short_help="Check, explain and test workflow YAML.")
def workflows() -> None:
    """Check, explain and test workflow YAML."""


@workflows.command(epilog=examples("cj workflows check", "cj workflows check flows/ flows/returns.yaml"))
@click.argument("paths", metavar="[PATH]...", nargs=-1, type=click.Path(exists=True, path_type=Path))
@json_option
def check(paths: Sequence[Path], as_json: bool) -> None:
    """Check files and folders of workflow YAML; default: CJ_WORKFLOWS, else the shipped ones.

    Reports every problem with file, line and column, and which workflow opens a conversation. The exit code is 0 if
    there are only warnings.
    """
    from workflows import loader, problems
    from workflows.explanation import openings_table

    folder = settings_for().workflows_folder
    asked = paths or ([folder] if folder else [])
    found = loader.check_paths(asked, _model_problem)
    if as_json:
        click.echo(plain(problems.as_json(found)))
    else:
        shipped = "" if asked else ", the shipped ones; to check your own, pass their folder or set CJ_WORKFLOWS"
        click.echo(plain(problems.human(found, files=loader.count_files(asked)) + shipped))
        for folder in dict.fromkeys(each if each.is_dir() else each.parent for each in asked or [loader.SHIPPED]):
            if stale := _stale_schema(folder):
                click.echo(plain(f"\n{stale}"))
        for each in [] if problems.exit_code(found) else (asked or [loader.SHIPPED]):
            if each.is_dir():
                click.echo(plain(f"\n{openings_table(loader.load_folder(each))}"))
    raise SystemExit(problems.exit_code(found))


def _model_problem(name: str) -> str | None:
    """What is wrong with a model that a workflow names. Imports litellm, which takes seconds."""
    from workers.model import litellm_call
    from workers.model.demo import DEMO, DEMO_SHORT

    return None if name in (DEMO, DEMO_SHORT) else next(litellm_call.problems(name), None)


@workflows.command(epilog=examples("cj workflows schema > workflow.schema.json"))
def schema() -> None:
    """Print the JSON Schema of workflow YAML, for editors, with the workflows and context keys of CJ_WORKFLOWS."""
    from workflows.loader import SHIPPED
    from workflows.schema import schema_text

    click.echo(schema_text(settings_for().workflows_folder or SHIPPED), nl=False)


def _stale_schema(folder: Path) -> str | None:
    """A warning if the copy of the schema beside the workflows is out of date."""
    from workflows.schema import FILE, schema_text

    copy = folder / FILE.name
    if not copy.is_file() or copy.read_text(errors="replace") in (schema_text(), schema_text(folder)):
        return None
    return f"{copy}, which editors use, is out of date: run `cj workflows schema > {copy}`"


@workflows.command(
    epilog=examples(
        "cj workflows explain event.json",
        "cj workflows explain - --workflow ad_hoc_support",
        "cj workflows explain --stored 7c1e…                an event in the inbox, in its conversation",
    )
)
@click.argument("event_file", metavar="EVENT.json", type=click.File("rb"), required=False)
@click.option("--stored", "event_id", metavar="ID", help="Explain this event from the inbox, in its conversation.")
@click.option("--workflow", "name", metavar="NAME", help="Explain this workflow; default: the one the event opens.")
@click.option("--all", "everywhere", is_flag=True, help="Explain every workflow.")
@click.option("--context", metavar="JSON", default="{}", help="The conversation's context.")
@json_option
def explain(
    event_file: BinaryIO | None, event_id: str | None, name: str | None, everywhere: bool, context: str, as_json: bool
) -> None:
    """Show in which workflow an event opens a conversation, and what it does there: every rule and every part of its
    condition.

    In an open conversation its workflow decides: name it with --workflow, or show all with --all. An event that opens
    no conversation is explained in every workflow.

    \b
    EVENT.json is the whole event, as published:
      {"specversion": "1.0", "id": "1", "source": "/auth", "type": "oauth_complete",
       "data": {"provider": "shopify", "success": true,
                "shop_domain": "acme.myshopify.com", "merchant_id": "m1"}}
    """
    from workflows.engine import seen
    from workflows.explanation import explain as explained
    from workflows.explanation import opening
    from workflows.loader import load_folder

    if (event_file is None) == (event_id is None):
        raise WrongUse("pass EVENT.json, or --stored with the id of an event in the inbox")
    if event_file is None:
        _explain_stored(str(event_id), as_json)
        return
    event = _event(event_file)
    known = load_folder(settings_for().workflows_folder)
    met = _context(context)
    data = seen(event.payload, met, time=event.envelope.time, now=datetime.now(UTC))
    opened, sentence = opening(known, event.type, data)
    wanted = [name] if name else [opened] if opened and not (everywhere or as_json) else known.names
    found = [explained(known.get(each), event.type, data, met) for each in wanted]
    told = "\n\n".join([f"{event.type} {sentence}", *(one.render() for one in found)])
    show(as_json, [{**one.to_json(), "opens_conversation": one.workflow == opened} for one in found], [told])


def _event(file: BinaryIO) -> "Event":
    from events.envelope import parse
    from events.errors import InvalidEvent

    try:
        return parse(file.read())
    except InvalidEvent as error:
        raise WrongUse(f"EVENT.json is refused: {error} ({error.code})") from None


def _explain_stored(event_id: str, as_json: bool) -> None:
    with transaction() as session:
        from workers.operations import replay
        from workflows.loader import load_folder

        found = replay.stored(session, load_folder(settings_for().workflows_folder), event_id)
    if not found:
        raise CommandFailed(f"there is no event {event_id!r} in the inbox; events are kept for 30 days")
    lines = []
    for one in found:
        refused = f", refused: {one.refused}" if one.refused else ""
        lines += [f"{one.type} from {one.source}, received {one.received_at:%F %T} UTC{refused}", f"it {one.why}"]
        lines += ["", one.today.render()] if one.today else []
        if one.differs:
            lines += ["", "it was handled differently:", *(f"  {line}" for line in one.change())]
        lines.append("")
    show(as_json, [one.to_json() for one in found], lines)


@workflows.command(
    epilog=examples(
        "cj workflows replay --since 1d",
        "cj workflows replay --since 30d --workflows flows/     before the folder goes into production",
    )
)
@click.option("--since", type=Seconds(), metavar="SPAN", default="1d", show_default=True, help="E.g. 15m, 2h, 30d.")
@click.option("--limit", type=click.IntRange(1, 1_000_000), default=10_000, show_default=True, help="Most events.")
@FOLDER
@json_option
def replay(since: float, limit: int, folder: Path | None, as_json: bool) -> None:
    """Try stored events on today's workflows: which rule would take them, and what would differ from what was done.

    Reads the inbox and sends nothing. Uses each event's own time, but the conversation's current context for both then
    and today, since past contexts are not stored.
    """
    from collections import Counter

    with transaction() as session:
        from workers.operations import replay as replaying
        from workflows.loader import load_folder

        known = load_folder(folder or settings_for().workflows_folder)
        found = list(replaying.since(session, known, seconds=since, limit=limit))
    if as_json:
        return print_json([one.to_json() for one in found])
    otherwise = [one for one in found if one.differs]
    unknown = sum(one.then is None for one in found)
    more = f" (the latest {limit:,}; there may be more: --limit)" if len(found) == limit else ""
    apart = f"; for {unknown:,} it is not known how they were handled" if unknown else ""
    click.echo(f"{len(found):,} events{more}: {len(otherwise):,} would be handled differently{apart}")
    kinds: dict[tuple[str, str], list[replaying.Replayed]] = {}
    for one in otherwise:
        kinds.setdefault((one.type, one.change()[0]), []).append(one)
    for (event, rules), alike in sorted(kinds.items(), key=lambda kind: -len(kind[1])):
        changed = "".join(f"\n    {line}" for line in alike[0].change()[1:])
        click.echo(plain(f"\n{len(alike):,} {event}: {rules}; e.g. {alike[0].id}:{changed}"))
    takers = Counter((one.type, replaying.taker(one.today) if one.today else "refused") for one in found)
    width = max((len(event) for event, _ in takers), default=0)
    click.echo("\nrules that take them today:" if found else "")
    for (event, taker), count in sorted(takers.items()):
        click.echo(plain(f"{count:>8,}  {event:{width}}  {taker}"))
    return None


@workflows.command(
    epilog=examples(
        "cj workflows prompt shopify_onboarding                          as CJ begins a conversation",
        "cj workflows prompt shopify_onboarding --event event.json       as CJ answers a rule's message",
        "cj workflows prompt ad_hoc_support --text 'How was my week?'    as CJ answers the merchant",
    )
)
@click.argument("name", metavar="NAME")
@click.option("--event", "event_file", metavar="EVENT.json", type=click.File("rb"), help="The event that CJ answers.")
@click.option("--text", metavar="TEXT", help="The merchant's message that CJ answers.")
@click.option("--context", metavar="JSON", default="{}", help="The conversation's context.")
@json_option
def prompt(name: str, event_file: BinaryIO | None, text: str | None, context: str, as_json: bool) -> None:
    """Show exactly what a model is sent in workflow NAME, in a conversation without earlier turns: the system text with
    the context below it, the messages, the tools, and the estimated tokens of each.

    CJ answers --text, else the first message of the rule that takes --event, else the initial_action.
    """
    from workflows.loader import load_folder

    settings = settings_for()
    workflow = load_folder(settings.workflows_folder).get(name)
    from workers.agent import prompt as made
    from workers.agent.tools import definitions
    from workflows.definition import BYTES_PER_TOKEN

    said, values = _answered(workflow, event_file, text, _context(context))
    limits = workflow.limits
    messages = made.messages(
        workflow.prompt,
        values,
        [],
        said,
        [],
        now=datetime.now(UTC),
        max_history=limits.max_history_messages,
        most_bytes=(limits.prompt_tokens or settings.prompt_tokens) * BYTES_PER_TOKEN,
    )
    tools = definitions(workflow.tools)
    hidden = ", ".join(sorted(values.keys() & made.HIDDEN_CONTEXT)) or "nothing"
    lines = [
        *(f"--- {message['role']}, {_tokens(message)}\n{message['content']}\n" for message in messages),
        *(f"--- tool {tool['function']['name']}, {_tokens(tool)}\n{json.dumps(tool, indent=2)}\n" for tool in tools),
        f"{_tokens([messages, tools])} in all; parts of the context that the model does not see: {hidden}",
    ]
    show(as_json, {"messages": messages, "tools": tools}, lines)


def _tokens(value: object) -> str:
    from workers.agent import prompt_size

    return f"about {prompt_size.tokens(value):,} tokens"


def _answered(
    workflow: "Workflow", event_file: BinaryIO | None, text: str | None, context: dict[str, object]
) -> "tuple[TurnInput, dict[str, object]]":
    """The message that a turn answers, and the context at that point."""
    from storage.turns import TurnInput
    from workflows import engine
    from workflows.actions import ProcessMessage, UpdateContext

    first = workflow.initial_action
    if text is not None:
        return TurnInput("merchant", text), context
    if event_file is not None:
        event = _event(event_file)
        now = datetime.now(UTC)
        seen = engine.seen(event.payload, context, time=event.envelope.time, now=now)
        actions = engine.plan(workflow, event.type, seen) or ()
        for action in actions:
            context = {**context, **action.values} if isinstance(action, UpdateContext) else context
        first = next((action for action in actions if isinstance(action, ProcessMessage)), None)
        if first is None and event.type == "message_received":
            return TurnInput("merchant", str(event.payload["text"])), context
    if first is None:
        raise WrongUse("there is nothing to answer: no rule queues a message; give the merchant's message with --text")
    return TurnInput(first.sender, first.text, first.cleanup_trigger, dict(first.metadata)), context


def _context(text: str) -> dict[str, object]:
    try:
        context = json.loads(text)
    except ValueError as error:
        raise WrongUse(f"--context is not JSON: {error}") from None
    if not isinstance(context, dict):
        raise WrongUse("--context is not a JSON object")
    return context


@workflows.command(
    epilog=examples(
        "cj workflows test scenarios/                     every *.yaml in and under a folder",
        "cj workflows test refund.yaml --workflows my/    test your own workflows",
    )
)
@click.argument("paths", metavar="PATH...", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@FOLDER
@json_option
def test(paths: Sequence[Path], folder: Path | None, as_json: bool) -> None:
    """Run scenarios on real workers with their own servers, store and model, and report each result.

    Nothing already running is used or touched. Startup takes a few seconds, once.
    """
    from workers.scenario.language import files

    if not files(paths):
        raise WrongUse(f"no *.yaml in {', '.join(map(str, paths))}")
    from workers.scenario.run import run_files

    began, results = time.monotonic(), []
    with closing(run_files(paths, workflows=folder or settings_for().workflows_folder)) as running:
        for result in running:
            results.append(result)
            if not as_json:
                _print(result)
    failed = sum(result.problem is not None for result in results)
    if as_json:
        print_json([vars(result) for result in results])
    else:
        click.echo(f"{len(results) - failed} passed, {failed} failed, {time.monotonic() - began:.1f} s")
    raise SystemExit(1 if failed else 0)


def _print(result: "ScenarioResult") -> None:
    if result.problem is None:
        click.echo(f"passed  {result.name}, {result.seconds:.1f} s")
    else:
        click.echo(f"FAILED  {result.name}, {result.seconds:.1f} s\n\n{plain(result.problem)}\n")
