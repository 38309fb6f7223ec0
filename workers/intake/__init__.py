"""Foreign messages become rows: the intake process, which is no Celery worker.

Start reading in `__main__` (the process and its queues), then `accept` (bytes → inbox rows, acks → marked replies).
May import events, storage, and of the workers the root and `delivery`.
"""
