"""Schema migrations, run by Alembic from inside the program: there is no alembic.ini."""
