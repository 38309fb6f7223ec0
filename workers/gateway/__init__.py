"""The door: chat frontends and services reach CJ over HTTP, without a broker of their own.

Start reading in `routes` (the table of what is served, and each answer). `access` says who may do it, `incoming` reads
what clients send, `streams` hands out replies as they are committed, `agent_input` is what an AG-UI client asks and
already has, `shops` keeps a connected shop. `__main__` is the process, one of any number. It keeps nothing: events
become rows of the inbox, replies are read from theirs (`storage.door`).

May import events, storage, and within workers the root and `delivery`.
"""
