"""Language models, asked through litellm.

Start reading in `client`: who is asked, how long, who next. `litellm_call` is one call, and the only importer of
litellm; `response` cleans what came back; `errors` says what a failure means; `demo` is the offline model.
May import nothing of ours but the workers' root.
"""
