"""TODO synkin/arguments"""
