"""How Celery connects to the broker: with kombu's connections as `events.queues` makes them, so TLS is verified."""

from celery.app.amqp import AMQP

from events import queues


class VerifiedAMQP(AMQP):
    """Used by every Celery application of ours: `Celery(…, amqp=VerifiedAMQP)`."""

    Connection = queues.VerifiedConnection
