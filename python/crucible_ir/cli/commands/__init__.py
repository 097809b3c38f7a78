"""The commands, a module each; each calls its command ``command``."""
