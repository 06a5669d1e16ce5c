"""The router: how hard is a query? (seed 004)"""
