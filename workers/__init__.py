"""Everything that knows Celery: the app, its queues, and the one unit of work."""
