"""The language of conditions and `{{ templates }}`: literals, fields, comparisons, `and`, `or`, `not`, lists.

    parse       text -> tree, or InvalidExpression with the position and a suggestion
    kinds       finds errors before any event arrives
    evaluate    tree -> closure, with a limit on what evaluating it may cost
    template    text with expressions in it

May import only workflows.errors and workflows.suggest. Start reading at parse.py, which has the grammar.
"""
