"""TODO synkin/runs"""
