"""Grade on other machines with Dask, of which nothing is imported unless a command asks for it."""
