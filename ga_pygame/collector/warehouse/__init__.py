"""The warehouse: the events of the collector's file as columns in DuckDB, and the metrics that are asked of them."""
