"""Builds the tables of the native core from the descriptors and rules of the schema."""
