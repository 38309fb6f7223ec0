"""The composition root: processes, tasks, the agent, and the command line."""
