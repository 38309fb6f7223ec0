"""What every Celery application of ours shares: how it connects to the broker, and who consumes which queue."""

from celery.app.amqp import AMQP

from events import queues

KINDS = {
    queues.WORKFLOW: "workflow",
    queues.TURNS: "agent",
    queues.SHOPIFY: "shopify",
    queues.OPS: "ops",
}
"""The kind of process that consumes each of Celery's queues."""


class VerifiedAMQP(AMQP):
    """Celery with our connections, on which TLS is always verified: `Celery(…, amqp=VerifiedAMQP)`."""

    Connection = queues.VerifiedConnection
