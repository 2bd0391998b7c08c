"""TODO synkin/solving"""
