"""The statements that list documents, page by page."""
