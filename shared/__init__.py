"""Everything that knows neither Celery nor FastAPI: contracts, ledger, loop, pipelines, storage."""
