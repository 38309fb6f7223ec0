"""Tasks of queue `ops`, for operators."""

from workers import migrations, resources
from workers.celery import app


@app.task(name="cj.migrate")
def migrate() -> None:
    """Bring the database to the newest schema (`alembic upgrade head`); additive, safe while workers run."""
    migrations.upgrade(resources.current().settings.database_url)
