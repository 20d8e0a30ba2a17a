"""One file of routes a noun."""
