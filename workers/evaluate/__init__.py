"""`cj evaluate`: is what CJ tells merchants true, and does a model that lies get through?

Start reading in `evaluation`. `world` opens generated stores and computes what is true of them; `sentences` writes
questions, honest answers and lies from `questions.yaml`; `dialogue` asks them of real workers, with the configured
model or scripted ones, and `grading` judges the answers; `page` shows the report.

May import every other room; only `workers.cli` imports it.
"""
