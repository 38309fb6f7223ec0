"""What a merchant may cost: limits per prompt, answer, minute and day.

They come from the operator's settings; a workflow may override them. All are checked before a model is called.
"""

from dataclasses import dataclass, replace
from typing import Self

from storage.turns import Room
from workers.settings import Settings
from workflows.definition import BYTES_PER_TOKEN
from workflows.workflow import Workflow

ABSORBED_SHARE = 4
"""Absorbed messages together fill at most a quarter of a prompt."""
LEAST_OUTPUT_TOKENS = 256


@dataclass(frozen=True)
class UsedUp:
    """A budget that is used up: `code` for programs, `sentence` for the merchant."""

    code: str
    sentence: str


OF_THE_DAY = UsedUp("budget_of_the_day", "That is all I can do for your store today. Please ask me again tomorrow.")
OF_THE_MINUTE = UsedUp(
    "budget_of_the_minute", "You are writing faster than I can answer. Please ask me again in a minute."
)


@dataclass(frozen=True)
class CostLimits:
    """Limits; 0 turns per minute or tokens per day mean no limit."""

    prompt_tokens: int
    output_tokens: int
    absorbed_messages: int
    turns_per_minute: int
    tokens_per_day: int

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """The limits in the operator's settings."""
        return cls(
            settings.prompt_tokens,
            settings.output_tokens,
            settings.absorbed_messages,
            settings.turns_per_minute,
            settings.tokens_per_day,
        )

    def within(self, workflow: Workflow) -> Self:
        """The limits with the overrides of `workflow`."""
        limits = workflow.limits
        said = {
            "prompt_tokens": limits.prompt_tokens,
            "turns_per_minute": limits.turns_per_minute,
            "tokens_per_day": limits.tokens_per_day,
            "output_tokens": workflow.model.max_output_tokens,
        }
        return replace(self, **{name: value for name, value in said.items() if value is not None})

    def prompt_bytes(self, limit: int | None) -> int:
        """Most bytes of a prompt; `limit`: what a model that refused a longer one should accept."""
        most = self.prompt_tokens * BYTES_PER_TOKEN
        return most if limit is None else min(most, limit)

    def answer_tokens(self, limit: int | None) -> int:
        """Most tokens in an answer. It shares the model's context window with the prompt, so both shrink together."""
        if limit is None:
            return self.output_tokens
        return min(self.output_tokens, max(LEAST_OUTPUT_TOKENS, limit // BYTES_PER_TOKEN))

    def room(self, absorbed: list[str]) -> Room:
        """How much more a turn may absorb after absorbing these texts."""
        most = self.prompt_tokens * BYTES_PER_TOKEN // ABSORBED_SHARE
        taken = sum(len(text.encode()) for text in absorbed)
        return Room(max(self.absorbed_messages - len(absorbed), 0), max(most - taken, 0))
