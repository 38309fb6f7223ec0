"""From rows to others, and again until they have it.

Start reading in `sweeper`: what a lost message, a dead worker or a silent gateway left behind is found by it.
`reply_publisher` hands committed replies to the broker, `wake_ups` tells workers that a row waits for them.
May import storage, events and the workers' root.
"""
