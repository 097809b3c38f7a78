"""Ids with special characters for a shell, a path, a database, a log or a terminal."""

UNUSUAL_IDS = [
    "/",
    "..",
    "../../etc/passwd",
    "a/../b",
    "%",
    "%00",
    "100%",
    "_",
    "a\x00b",
    "\x00",
    "'; DROP TABLE documents; --",
    '" OR ""="',
    "\\",
    "\r\n",
    "\x1b[31m",
    " ",
    "caf\u00e9",
    "cafe\u0301",
    "\U0001f9ea" * 128,
    "x" * 512,
]
