"""gunicorn for an API that runs apart from the rest, behind a proxy of your own that does TLS.

`meterctl run` needs none of this: it writes its own configuration from bridge.toml. Start with
``DLMS_BRIDGE_STATE=/var/lib/dlms-bridge gunicorn --config deploy/gunicorn.conf.py admin_api.wsgi:app`` from an empty
directory, as the user that owns the state directory. For TLS without a proxy add --certfile and --keyfile; the API
refuses to start on another address than loopback unless ``[api]`` of bridge.toml has them too, or ``insecure = true``.
"""

from admin_api.listening import gunicorn_context as ssl_context  # noqa: F401  # TLS 1.2 at least, forward secrecy
from admin_api.live.gunicorn import post_worker_init  # noqa: F401  # no stream and no slow client keeps a thread

bind = "127.0.0.1:5001"
worker_class = "gthread"
workers = 2
threads = 32
timeout = 60  # a command may be waited for up to 30 s
graceful_timeout = 5
limit_request_line = 8190
control_socket_disable = True  # there is no other way in than the API
forwarded_allow_ips = "127.0.0.1"
preload_app = True  # rates and failed logins are counted over all processes: they share the memory made before the fork
