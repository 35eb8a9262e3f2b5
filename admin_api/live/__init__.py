"""Live values over server-sent events: one poller per process, bounded queues, streams that hold a thread each."""
