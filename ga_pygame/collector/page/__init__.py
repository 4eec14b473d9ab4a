"""The page: what a developer sees."""
