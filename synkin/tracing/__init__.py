"""TODO synkin/tracing"""
