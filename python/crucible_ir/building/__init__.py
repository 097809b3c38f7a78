"""Making messages: constructors for every type and a fluent builder for experiments."""
