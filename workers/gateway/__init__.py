"""The door: chat frontends and services reach CJ over HTTP, without a broker.

Start with `routes` (the table of routes, and each handler). `access` checks who may do it, `incoming` parses requests,
`streams` sends replies as they are committed, `agent_input` works out what an AG-UI client asks and already has,
`shops` stores a connected shop. `__main__` is the process, of which any number may run. It is stateless: events become
rows of the inbox, replies are read from their rows (`storage.door`).

May import events, storage, and within workers the root and `delivery`.
"""
