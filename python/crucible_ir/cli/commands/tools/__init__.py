"""Commands for those who build on the IR."""
