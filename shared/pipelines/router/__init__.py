"""The router: how hard is a query? It is seed 004."""
