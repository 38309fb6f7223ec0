"""Delivers committed rows to workers and the gateway, repeating until they arrive.

Start with `sweeper`, which recovers from lost messages, dead workers and a silent gateway. `reply_publisher` publishes
committed replies, `wake_ups` tells workers that rows are waiting.
May import storage, events and the workers' root.
"""
