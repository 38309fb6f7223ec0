"""Everything on one machine: servers of one's own, the processes of the Procfile, the demo.

Start reading in `servers` (what is started where the environment names none) and `supervisor` (starts the processes
again when they die). `embedded` is Postgres and Valkey from wheels, `home` the folder .cj/.
May import shopify's development store, storage, events, and of the workers the root and `operations`.
"""
