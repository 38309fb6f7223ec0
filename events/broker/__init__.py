"""Reads a plain queue, on Redis or over AMQP: `consumer` for both, `redis_queue` how it is done on Redis."""
