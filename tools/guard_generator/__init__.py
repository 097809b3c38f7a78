"""Turns protovalidate's rules, read from descriptors, into Python guard functions."""
