"""Flower's options, from Tidemark's own configuration. Read by ``celery -A tasks flower`` wherever it is started
(tasks/__init__.py says where this file is); what its command line says goes before what stands here.

Every name without an underscore in front that Flower knows as an option is one.
"""

from __future__ import annotations

import logging as _logging

from tornado.options import options as _options

from tidemark import config as _config
from tidemark.errors import ConfigError as _ConfigError
from tidemark.web import login as _login
from tidemark.web import plugin as _plugin

try:
    _flower = _config.load().flower
    if _options.auth or _options.basic_auth:
        # Flower's own logins (OAuth2, say), chosen by whoever starts it. They protect everything as well.
        if _options.basic_auth:
            _logging.getLogger("tidemark").warning(
                "Flower's basic_auth holds passwords where every account of this machine may see them; "
                "[flower] users_file does not"
            )
    else:
        basic_auth = _login.install(_flower)
except _ConfigError as _error:
    raise SystemExit(f"Error: {_error}") from None

_plugin.install()  # the pages below /shards

address = _flower.address
port = _flower.port
url_prefix = _flower.url_prefix
read_only = _flower.read_only
if _flower.tls_cert and _flower.tls_key:
    certfile = str(_flower.tls_cert)
    keyfile = str(_flower.tls_key)
