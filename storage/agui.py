"""The AG-UI 1.0 events in replies, all built here from the protocol's own models.

https://docs.ag-ui.com/concepts/events. Each function returns what belongs together, in order. Gateways see a tool
call's name, its data type, and whether it worked; other arguments and the result are not sent. Ids are derived from the
run and the position in it, so a repeated commit builds the same events.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from ag_ui.core import (
    PROTOCOL_VERSION,
    BaseEvent,
    CustomEvent,
    MessagesSnapshotEvent,
    RunErrorEvent,
    RunFinishedCancelledOutcome,
    RunFinishedEvent,
    RunFinishedSuccessOutcome,
    RunStartedEvent,
    TextMessageContentEvent,
    TextMessageEndEvent,
    TextMessageStartEvent,
    TokenUsage,
    ToolCallArgsEvent,
    ToolCallEndEvent,
    ToolCallResultEvent,
    ToolCallStartEvent,
)

Events = list[dict[str, Any]]
Usage = TokenUsage

END_KEY = "end"
"""Outbox key of the reply that holds RUN_FINISHED or RUN_ERROR: a turn has exactly one of them."""
CANCELLED = "cancelled"
"""Error code of a tool call whose run ended before its result arrived."""


def run_started(conversation_id: str, run_id: str, workflow: str | None = None) -> Events:
    return _events(
        RunStartedEvent(
            thread_id=conversation_id,
            run_id=run_id,
            protocol_version=PROTOCOL_VERSION,
            metadata=None if workflow is None else {"workflow": workflow},
        )
    )


def run_finished(
    conversation_id: str,
    run_id: str,
    usage: Sequence[Usage] = (),
    *,
    cancelled: bool = False,
    result: Mapping[str, Any] | None = None,
) -> Events:
    """The end of a successful run."""
    return _events(
        RunFinishedEvent(
            thread_id=conversation_id,
            run_id=run_id,
            outcome=RunFinishedCancelledOutcome() if cancelled else RunFinishedSuccessOutcome(),
            result=result,
            usage=list(usage) or None,
        )
    )


def run_error(run_id: str, code: str, sentence: str, usage: Sequence[Usage] = ()) -> Events:
    """The end of a failed run. The sentence is also sent as a message: many frontends show nothing else."""
    error = RunErrorEvent(message=sentence, code=code, usage=list(usage) or None)
    return [*text(f"{run_id}-error", sentence), *_events(error)]


def text(message_id: str, words: str, *, begins: bool = True, ends: bool = True) -> Events:
    """One whole message of CJ, or a part of it, with or without its start and its end."""
    return _events(
        *([TextMessageStartEvent(message_id=message_id, role="assistant")] if begins else []),
        *([TextMessageContentEvent(message_id=message_id, delta=words)] if words else []),
        *([TextMessageEndEvent(message_id=message_id)] if ends else []),
    )


def messages_snapshot(messages: Sequence[Mapping[str, Any]]) -> Events:
    """Everything that was said, as AG-UI messages."""
    return _events(MessagesSnapshotEvent.model_validate({"messages": messages}))


def tool_call(call_id: str, name: str, message_id: str, data_type: str | None) -> Events:
    """A call made by the message `message_id`."""
    arguments = {} if data_type is None else {"data_type": data_type}
    return _events(
        ToolCallStartEvent(tool_call_id=call_id, tool_call_name=name, parent_message_id=message_id),
        ToolCallArgsEvent(tool_call_id=call_id, delta=json.dumps(arguments)),
        ToolCallEndEvent(tool_call_id=call_id),
    )


def tool_result(call_id: str, error_code: str | None, at: datetime | None = None) -> Events:
    """Whether a call worked. `at`: when that was known; it may be sent later, together with the next words."""
    timestamp = None if at is None else int(at.timestamp() * 1000)
    failed = {} if error_code is None else {"error_code": error_code}
    content = json.dumps({"success": error_code is None, **failed})
    result_id = f"{call_id}-result"
    return _events(
        ToolCallResultEvent(message_id=result_id, tool_call_id=call_id, content=content, timestamp=timestamp)
    )


def usage(model: str, input_tokens: int, output_tokens: int) -> Usage:
    """What a run cost with one model. The provider is litellm's prefix of the model's name."""
    provider, _, name = model.rpartition("/")
    return TokenUsage(
        provider=provider.partition("/")[0] or None,
        model=name,
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        total_tokens=input_tokens + output_tokens,
    )


def workflow_transition(source: str, target: str) -> Events:
    """The conversation moved from workflow `source` to workflow `target`."""
    return _events(CustomEvent(name="workflow_transition", value={"from": source, "to": target}))


def workflow_event(name: str, data: Mapping[str, Any]) -> Events:
    """A workflow tells other systems that something happened."""
    return _events(CustomEvent(name="workflow_event", value={"name": name, "data": dict(data)}))


def message_waiting(event_id: str, reason: str) -> Events:
    """The message of event `event_id` cannot be answered yet."""
    return _events(CustomEvent(name="message_waiting", value={"eventid": event_id, "reason": reason}))


def message_absorbed(event_id: str) -> Events:
    """The run answers the message of event `event_id`, too."""
    return _events(CustomEvent(name="message_absorbed", value={"eventid": event_id}))


def _events(*events: BaseEvent) -> Events:
    return [event.model_dump(mode="json", by_alias=True, exclude_none=True) for event in events]
