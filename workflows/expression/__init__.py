"""The language of conditions and `{{ templates }}`: literals, fields, comparisons, `and`, `or`, `not`, lists.

    parse       text -> tree, or InvalidExpression with the place and what to write instead
    kinds       what can be known to be wrong before any event arrives
    evaluate    tree -> closure, and the bounds of what evaluating it may cost
    template    text with expressions in it

May import only workflows.errors and workflows.suggest. Start reading at parse.py, which has the grammar.
"""
