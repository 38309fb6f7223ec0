"""Delivers committed rows to workers and the gateway, repeating until they arrive.

Start reading in `sweeper`, which recovers what a lost message, a dead worker or a silent gateway left behind.
`reply_publisher` publishes committed replies, `wake_ups` tells workers that rows are waiting.
May import storage, events and the workers' root.
"""
