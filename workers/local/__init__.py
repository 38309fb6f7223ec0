"""Runs everything on one machine: embedded servers, the processes of the Procfile, the demo.

Start with `servers` (starts the servers that the environment does not name) and `supervisor` (restarts processes that
die). `embedded` has Postgres and Valkey from wheels, `home` is the folder .cj/. May import shopify's development store,
workflows, storage, events, and within workers the root, `gateway`, `model` and `operations`.
"""
