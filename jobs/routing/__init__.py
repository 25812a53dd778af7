"""Routes for several dispatchers."""
