"""One evaluation from beginning to end, and its report."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from math import comb
from pathlib import Path
from statistics import median
from typing import Any

from workers.evaluate.dialogue import Dialogue, EvaluatedModel, Question, ShownAnswer, lying, questions
from workers.evaluate.sentences import LIES
from workers.scenario.environment import Environment

#: Variables that the evaluation sets itself.
OWN = (
    "DATABASE_URL",
    "BROKER_URL",
    "REDIS_URL",
    "CJ_TOKEN_KEYS",
    "SHOPIFY_",
    "CJ_LEASE",
    "CJ_RECOVERY",
    "CJ_WORKFLOWS",
)

Report = dict[str, Any]


@dataclass(frozen=True)
class Plan:
    """How much is asked. `lies`: per kind. `repeated`: how many questions are asked `times` times each, while agents
    are killed.
    """

    stores: int = 54
    questions: int = 270
    lies: int = 40
    repeated: int = 10
    times: int = 3


def evaluate(
    plan: Plan,
    *,
    model: Mapping[str, str] | None = None,
    workflows: Path | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> Report:
    """Ask everything; `model`: environment variables of the configured model; None: the scripted models.

    Raises InvalidWorkflows, EmbeddedServerError, Late.
    """
    report: Report = {"model": "scripted" if model is None else model["CJ_MODEL"]}
    scripted = EvaluatedModel()
    environ = None if model is None else {n: v for n, v in model.items() if not n.startswith(OWN)}
    with closing(Environment(workflows=workflows, model=scripted, environ=environ)) as environment:
        environment.start()
        say("workers ready")
        dialogue = Dialogue(environment, scripted if model is None else None)
        worlds = dialogue.open_stores(range(plan.stores))
        asked = questions(worlds, plan.questions)
        answers = _asked(dialogue, asked, say, "questions")
        report |= {"stores": len({q.world.number for q in asked}), "questions": len(asked)}
        report["answers"] = _by(answers, [answer.question.topic.kind for answer in answers])
        report["tokens"] = dialogue.tokens()
        lies: list[ShownAnswer] = []
        if model is None:
            lies = _asked(dialogue, lying(worlds, plan.lies), say, "lies")
            report["lies"] = _by(lies, [str(answer.question.told.lie) for answer in lies])
        if plan.repeated:
            report["repeated"] = _repeated(dialogue, asked[: plan.repeated], plan.times, say)
    report["list"] = [_listed(answer) for answer in (*answers, *lies)]
    report["is_good"] = _is_good(report)
    return report


def _asked(
    dialogue: Dialogue, asked: Sequence[Question], say: Callable[[str], None], what: str, *, kill: bool = False
) -> list[ShownAnswer]:
    began = time.monotonic()
    answers = list(dialogue.ask(asked, kill=kill))
    say(f"{len(answers)} {what} answered, {time.monotonic() - began:.1f} s")
    return answers


def _by(answers: Sequence[ShownAnswer], groups: Sequence[str]) -> Report:
    """Figures for all answers, and for each group."""
    kinds = [kind for kind in dict.fromkeys((*LIES, *groups)) if kind in groups]
    by = {kind: [a for a, group in zip(answers, groups, strict=True) if group == kind] for kind in kinds}
    return {"all": _figures(answers), **{kind: _figures(found) for kind, found in by.items()}}


def _figures(answers: Sequence[ShownAnswer]) -> Report:
    outcomes = [answer.outcome for answer in answers]
    return {
        "asked": len(answers),
        **{outcome: outcomes.count(outcome) for outcome in ("right", "caught", "said", "none")},
        "false_alarms": sum(answer.is_false_alarm for answer in answers),
        "corrections": sum(answer.corrections for answer in answers),
        "seconds": round(median([answer.seconds for answer in answers] or [0.0]), 3),
    }


def _repeated(dialogue: Dialogue, asked: Sequence[Question], times: int, say: Callable[[str], None]) -> Report:
    """pass^k: the probability that k out of k tries are right, while agents are killed."""
    answers = _asked(dialogue, list(asked) * times, say, "repetitions", kill=True)
    right = [
        sum(answer.outcome == "right" and not answer.is_false_alarm for answer in answers if answer.question == one)
        for one in asked
    ]
    chances = {k: sum(comb(number, k) for number in right) / comb(times, k) / len(asked) for k in range(1, times + 1)}
    return {"questions": len(asked), "times": times, "kills": dialogue.kills, "pass": chances}


def _listed(answer: ShownAnswer) -> Report:
    question = answer.question
    return {
        "store": question.world.shop_domain.partition(".")[0],
        "kind": question.topic.kind,
        "lie": question.told.lie,
        "question": question.ask,
        "model": question.told.text,
        "answer": answer.text,
        "outcome": answer.outcome,
        "false_alarm": answer.is_false_alarm,
        "corrections": answer.corrections,
        "seconds": round(answer.seconds, 3),
    }


def _is_good(report: Report) -> bool:
    """Whether nothing wrong was said, everything was answered, and hardly any true sentence was held back."""
    parts: Iterable[Report] = (report["answers"]["all"], report.get("lies", {}).get("all", {}))
    bad: int = sum(part.get("said", 0) + part.get("none", 0) + part.get("false_alarms", 0) for part in parts)
    return not bad


def table(report: Report) -> str:
    """The report for a terminal."""
    lines = [f"model {report['model']}: {report['questions']} questions to {report['stores']} stores"]
    lines += _table(
        "questions",
        report["answers"],
        ("asked", "right", "caught", "said", "none", "false_alarms", "corrections", "seconds"),
    )
    if "lies" in report:
        lines += _table(
            "lies told to merchants", report["lies"], ("asked", "caught", "said", "none", "corrections", "seconds")
        )
    if "repeated" in report:
        lines += ["", repetitions(report["repeated"])]
    lines += ["", f"{report['tokens']:,} tokens for the questions"]
    return "\n".join(lines)


def repetitions(repeated: Report) -> str:
    """The result of asking the same questions repeatedly, as a sentence."""
    chances = ", ".join(f"pass^{k} {chance:.1%}" for k, chance in repeated["pass"].items())
    asked = f"{repeated['questions']} questions, {repeated['times']} times each"
    return f"{asked}, while agents were killed {repeated['kills']} times: {chances}"


def _table(title: str, rows: Mapping[str, Report], columns: Sequence[str]) -> list[str]:
    heads = [column.replace("_", " ") for column in columns]
    lines = ["", f"{title:28}" + "".join(f"{head:>14}" for head in heads)]
    ordered = [(kind, figures) for kind, figures in rows.items() if kind != "all"] + [("all", rows["all"])]
    return lines + [
        f"{kind.replace('_', ' '):28}" + "".join(f"{figures[c]:>14}" for c in columns) for kind, figures in ordered
    ]
