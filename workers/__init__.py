"""The composition root: the processes and the command `cj`.

The modules here are shared by all processes: `bootstrap` builds a process's resources, `celery` is the application,
`tasks` its tasks, `settings` reads the environment, and `urls` checks the addresses in it. Each folder is one process
or one shared concern: `intake`, `workflow`, `agent`, `truth`, `model`, `shop`, `delivery`, `gateway`; `operations`,
`local`, `cli`, `scenario` and `evaluate` are for operators and developers.
May import everything; no two folders import each other.
"""
