"""The language of conditions and `{{ templates }}`: literals, fields, comparisons, `and`, `or`, `not`, lists.

    lexer, parse    text -> tokens -> tree, or InvalidExpression with the place and what to write instead
    kinds           what can be known to be wrong before any event arrives
    evaluate        tree -> closure; budget bounds what evaluating it may cost
    template        text with expressions in it

May import only workflows.errors and workflows.suggest. Start reading at parse.py, which has the grammar.
"""
