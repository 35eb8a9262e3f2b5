"""What gunicorn serves: ``admin_api.wsgi:app``, built from the settings of DLMS_BRIDGE_STATE when it is loaded.

Nothing is connected yet, so that the application may be preloaded and forked.
"""

import sys

from admin_api.app import create_app
from admin_api.listening import check
from admin_api.metrics import page_of
from common import logs
from common.clock import SystemClock
from common.errors import Hopeless
from common.process import Exit, settle
from common.settings import load
from common.store.engine import open_from_settings

logs.start()
try:
    _settings = load()
    check(_settings)
    logs.hide(_settings.secrets)
    app = create_app(open_from_settings(_settings), _settings, SystemClock())
    page_of(app).background = True
    settle()  # what is preloaded stays shared between the processes: no collection touches it
except Hopeless as error:
    sys.stderr.write(f"{error.kind}: {error.detail}\n")
    sys.exit(Exit.BAD_CONFIGURATION)
