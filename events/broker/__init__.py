"""Consuming plain queues (`events`, `replies`, `acks`) from Redis and RabbitMQ, without losing a message."""
