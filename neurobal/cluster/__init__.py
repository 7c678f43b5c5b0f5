"""Networks that lie on the workers of a Dask cluster. Dask is imported here only, and only when it is used."""
