"""Whether what CJ says follows from what was read: every number, name, date and comparison of a text. Pure.

Start reading in `grounding`: a text in, a verdict for each of its sentences out. `claims` reads what a sentence says,
`grounds` what a turn may say.
May import nothing of the other rooms.
"""
