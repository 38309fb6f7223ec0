"""Store data: one module for each data type, with its GraphQL document beside it.

These modules return raw figures; the agent says what they mean. To add a data type:

    events.data_types           its name; `python -m workflows.schema` then tells editors
    here                        its document (`query.NAMES`), a function like `fetch_counts`, a case in `dispatch.fetch`
    shopify.rate_limit          its cost, in QUERY_COSTS
    workers.shop.results        how long it stays fresh, in TTL_SECONDS
    workers.agent.shopify_data  what the model reads about it; `calculate_metrics`: if it can be calculated with
    workers.scenario.observe    its GraphQL operation, in OPERATIONS
    workers.model.demo          when the demo model asks for it; `demo_words`: what it says about it
"""
