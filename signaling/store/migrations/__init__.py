"""How a database becomes what `tables.py` says, revision by revision. Read by Alembic through `env.py`."""
