"""Settings of an Apache Superset that reads the warehouse; Superset finds them by SUPERSET_CONFIG_PATH.

Belongs here: what differs from Superset's defaults, each with its reason.
Not here: secrets (SUPERSET_SECRET_KEY) and where Superset keeps its own database (SUPERSET_HOME).
"""

import os
import time

# It signs sessions and encrypts the passwords of databases. Without one Superset must not start.
SECRET_KEY = os.environ["SUPERSET_SECRET_KEY"]

# Superset writes the bounds of a time filter without a zone, and DuckDB reads them in the zone of its process.
os.environ["TZ"] = "UTC"
time.tzset()

# No cache of results, which is also the default: each chart asks the warehouse, so a new generation is in the next
# answer. With a cache, charts of one page would show different generations until it expires.
DATA_CACHE_CONFIG = {"CACHE_TYPE": "NullCache"}

# The default, less other hosts: browsers send nothing elsewhere (Superset's pages ask for a telemetry pixel).
_OWN = ["'self'", "blob:", "data:"]
TALISMAN_CONFIG = {
    "content_security_policy": {
        "base-uri": ["'self'"],
        "default-src": ["'self'"],
        "img-src": _OWN,
        "worker-src": ["'self'", "blob:"],
        "connect-src": ["'self'"],
        "object-src": "'none'",
        "style-src": ["'self'", "'unsafe-inline'"],
        "font-src": ["'self'"],
        "script-src": ["'self'", "'strict-dynamic'"],
    },
    "content_security_policy_nonce_in": ["script-src"],
    # Served on 127.0.0.1 without TLS; behind a proxy with TLS, set both to True.
    "force_https": False,
    "session_cookie_secure": False,
}
