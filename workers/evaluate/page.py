"""The report as one self-contained HTML page."""

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from workers.evaluate.evaluation import repetitions

STYLE = """
:root { color-scheme: light dark; font: 15px/1.5 system-ui, sans-serif; }
body { max-width: 68rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; margin: 1rem 0 2rem; font-variant-numeric: tabular-nums; }
th, td { padding: .3rem .6rem; text-align: right; border-bottom: 1px solid #8884; vertical-align: top; }
th:first-child, td:first-child, td.words, th.words { text-align: left; }
.good { color: #1a7f37; } .bad { color: #cf222e; font-weight: 600; }
summary { cursor: pointer; font-weight: 600; } small { opacity: .7; }
"""
QUESTIONS = {
    "asked": "asked", "right": "right", "said": "wrong and said", "none": "no answer", "false_alarms": "false alarms",
    "corrections": "corrections", "seconds": "median s",
}  # fmt: skip
LIES = {
    "asked": "told",
    "caught": "caught",
    "said": "reached the merchant",
    "none": "no answer",
    "corrections": "corrections",
    "seconds": "median s",
}
BAD = frozenset({"said", "none", "false_alarms"})


def page(report: Mapping[str, Any]) -> str:
    """The whole page."""
    verdict = "good" if report["is_good"] else "bad"
    words = "Nothing untrue was said." if report["is_good"] else "There is something to fix."
    parts = [
        f"<h1>How true are CJ's answers?</h1><p class={verdict}>{words}</p>",
        f"<p>Model <b>{escape(report['model'])}</b>, {report['questions']} questions to {report['stores']} stores, "
        f"{report['tokens']:,} tokens.</p>",
        _table("Questions", QUESTIONS, report["answers"]),
    ]
    if "lies" in report:
        parts.append(_table("Lies of a scripted model", LIES, report["lies"]))
    if "repeated" in report:
        parts.append(f"<p>{escape(repetitions(report['repeated']))}.</p>")
    wrong = [one for one in report["list"] if one["outcome"] in ("said", "none") or one["false_alarm"]]
    parts.append(_answers(f"What went wrong ({len(wrong)})", wrong, is_open=bool(wrong)))
    parts.append(_answers(f"Every answer ({len(report['list'])})", report["list"]))
    head = f"<!doctype html><html lang=en><meta charset=utf-8><title>CJ's answers</title><style>{STYLE}</style>"
    return f"{head}<body>{''.join(parts)}</body></html>\n"


def _table(title: str, columns: Mapping[str, str], rows: Mapping[str, Mapping[str, Any]]) -> str:
    heads = "".join(f"<th>{escape(head)}</th>" for head in ("", *columns.values()))
    ordered = [*((kind, row) for kind, row in rows.items() if kind != "all"), ("all", rows["all"])]
    body = "".join(_row(kind.replace("_", " "), columns, row) for kind, row in ordered)
    return f"<h2>{title}</h2><table><tr>{heads}</tr>{body}</table>"


def _row(name: str, columns: Iterable[str], row: Mapping[str, Any]) -> str:
    cells = (f"<td{' class=bad' if c in BAD and row[c] else ''}>{row[c]}</td>" for c in columns)
    return f"<tr><td>{escape(name)}</td>{''.join(cells)}</tr>"


def _answers(title: str, answers: Sequence[Mapping[str, Any]], *, is_open: bool = False) -> str:
    rows = "".join(
        f"<tr><td>{escape(one['store'])}<br><small>{escape(one['lie'] or one['kind'])}</small></td>"
        f"<td class=words>{escape(one['question'])}</td><td class=words>{escape(one['model'])}</td>"
        f"<td class=words>{escape(one['answer'])}</td>"
        f"<td class={'bad' if one['outcome'] in ('said', 'none') or one['false_alarm'] else 'good'}>"
        f"{'false alarm' if one['false_alarm'] else escape(one['outcome'])}</td></tr>"
        for one in answers
    )
    heads = "".join(
        f"<th class=words>{head}</th>" for head in ("store", "asked", "scripted", "shown to the merchant", "")
    )
    opened = " open" if is_open else ""
    return f"<details{opened}><summary>{title}</summary><table><tr>{heads}</tr>{rows}</table></details>"
