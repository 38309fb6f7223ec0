"""The AG-UI 1.0 events that replies carry, built in one place.

Names and fields are those of the AG-UI protocol (https://docs.ag-ui.com/concepts/events). Tool calls are shown by name
only: their arguments and results contain store data and stay inside.

Built by hand: `ag-ui-protocol` needs 0.16 s to import for the same seven objects. Tests hold them to its models.
"""

from typing import Any

AgUi = dict[str, Any]

STARTED_KEY = "started"
"""Outbox key of RUN_STARTED."""
END_KEY = "end"
"""Outbox key shared by RUN_FINISHED and RUN_ERROR: a turn has exactly one of them."""


def run_started(conversation_id: str, run_id: str) -> AgUi:
    return {"type": "RUN_STARTED", "threadId": conversation_id, "runId": run_id}


def run_finished(conversation_id: str, run_id: str) -> AgUi:
    return {"type": "RUN_FINISHED", "threadId": conversation_id, "runId": run_id}


def run_error(code: str, sentence: str) -> AgUi:
    """The end of a turn that failed; `sentence` is for the merchant."""
    return {"type": "RUN_ERROR", "message": sentence, "code": code}


def text(message_id: str, words: str) -> AgUi:
    """One whole message of CJ."""
    return {"type": "TEXT_MESSAGE_CHUNK", "messageId": message_id, "role": "assistant", "delta": words}


def tool_call_start(call_id: str, name: str) -> AgUi:
    return {"type": "TOOL_CALL_START", "toolCallId": call_id, "toolCallName": name}


def tool_call_end(call_id: str) -> AgUi:
    return {"type": "TOOL_CALL_END", "toolCallId": call_id}


def workflow_transition(source: str, target: str) -> AgUi:
    """The conversation moved from workflow `source` to workflow `target`."""
    return {"type": "CUSTOM", "name": "workflow_transition", "value": {"from": source, "to": target}}
