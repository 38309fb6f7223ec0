"""What is kept: Postgres rows, and a Redis cache that may vanish at any instant."""
