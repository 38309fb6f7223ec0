"""Language models, asked through litellm.

Start reading in `client`: which model is asked, for how long, and which next. `litellm_call` makes one call and is the
only importer of litellm; `wire` repairs what providers send; `stream` puts a streamed answer together; `response`
cleans the answer, `dialects` the text in it; `habits` knows what a provider wants back; `errors` classifies failures;
`demo` is the offline model.
May import `shopify.transport` (its deadlines hold here, too), events and the workers' root.
"""
