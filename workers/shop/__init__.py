"""The Shopify worker: the only process that opens access tokens.

Start reading in `fetch`: a request is answered from the cache, from a fetch in flight, or from Shopify. `tokens` is
where a token is opened and renewed; `reader` asks Shopify; `results` is the one shape of what a tool returns.
May import shopify, storage, events and the workers' root.
"""
