"""The same work on a Spark cluster."""
