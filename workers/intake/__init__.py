"""The intake process turns incoming messages into rows. It is not a Celery worker.

Start with `__main__` (the process and its queues), then `accept` (bytes → inbox rows, acks → marked replies). May
import events, storage, and within workers the root and `delivery`.
"""
