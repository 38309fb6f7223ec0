"""Developer tools: validate our documents against Shopify's schemas, and prune a schema to what they use."""
