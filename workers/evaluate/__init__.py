"""`cj evaluate`: does CJ say the truth, and nothing else, with this model?
"""
