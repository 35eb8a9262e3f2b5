"""The shared store: wishes, states, commands, alarms. The only package that imports SQLAlchemy.

The API and meterctl write wishes and commands and read states; supervisor_qos the reverse. In and out go the frozen
values of ``common.store.model``; no row, session or connection leaves. Begin with ``common.store.engine.open_store``.
"""
