"""The composition root: the processes, and the command `cj`.

What every process shares stands here: `bootstrap` builds what a process works with, `celery` is the application,
`tasks` its tasks, `settings` reads the environment. Each folder is one process, or one concern of several: `intake`,
`workflow`, `agent`, `model`, `shop`, `delivery`; `operations`, `local`, `cli`, `scenario` are for people.
May import everything; no two folders import each other.
"""
