"""The composition root: the processes and the command `cj`.

Modules here are shared by every process: `bootstrap` builds a process's resources, `celery` is the application,
`tasks` its tasks, `settings` reads the environment. Each folder is one process or one shared concern: `intake`,
`workflow`, `agent`, `model`, `shop`, `delivery`, `gateway`; `operations`, `local`, `cli`, `scenario` and `evaluate` are
for people.
May import everything; no two folders import each other.
"""
