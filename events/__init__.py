"""The contract: events in, replies out. Everything the auth service and the chat gateway import."""
