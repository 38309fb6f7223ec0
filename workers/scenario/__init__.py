"""Scenario tests: conversations written in YAML, run on the real workers, servers and development store.

    name: oauth_then_counts
    steps:
      - action: simulate_oauth_complete
      - expect: cj_tool_call
        params: {data_type: counts}
      - expect: cj_message
        contains: "customers in your store"

pytest collects them with `-p tests.scenario_plugin`; `cj workflows test PATH…` runs them without pytest. SCENARIOS.md
beside this file says everything.
"""
