"""The database: one writer thread, a few reader threads, and small typed repositories over them."""
