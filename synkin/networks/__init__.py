"""TODO synkin/networks"""
