"""Language models, asked through litellm.

Start reading in `client`: which model is asked, for how long, and which next. `litellm_call` makes one call and is the
only importer of litellm; `wire` repairs what providers send; `stream` assembles streamed answers; `response` cleans an
answer and `dialects` its text; `habits` remembers what each provider insists on; `errors` classifies failures; `demo`
is the offline model.

May import `shopify.transport` (for its socket deadlines), events and the workers' root.
"""
