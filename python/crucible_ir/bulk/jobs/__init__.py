"""Jobs that turn many streams into the part files of a table, and can be continued."""
