"""The fleet's broker as the rest of the engine uses it: requests, what waits, what was left over. Only this room and
``tasks`` know Celery."""
