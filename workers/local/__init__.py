"""Runs everything on one machine: embedded servers, the processes of the Procfile, the demo.

Start reading in `servers` (starts the servers the environment does not name) and `supervisor` (restarts processes that
die). `embedded` is Postgres and Valkey from wheels, `home` the folder .cj/.
May import shopify's development store, storage, events, and within workers the root and `operations`.
"""
