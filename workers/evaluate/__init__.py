"""`cj evaluate`: is what CJ tells merchants true, and does a model that lies get through?

Start with `evaluation`. `world` opens generated stores and computes the truth about them; `sentences` writes questions,
honest answers and lies from `questions.yaml`; `dialogue` puts them to real workers, with the configured model or
scripted ones; `grading` judges the answers; `page` shows the report.

May import every other room; only `workers.cli` imports it.
"""
