"""How good the check of claims is (`workers.truth.grounding`): thousands of sentences, true and false, without workers.

`python -m tests.truth` (part of `make evaluate`) prints the figures. `tuned.txt` and `unseen.txt` hold the sentences,
`voices` says them of generated stores in many ways and makes lies of them; `facts` adds to what
`workers.evaluate.world` knows.
"""
