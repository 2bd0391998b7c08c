"""TODO synkin/declaring"""
