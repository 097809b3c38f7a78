"""Generates Python guard functions from the protovalidate rules of descriptors."""
