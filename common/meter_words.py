"""The words by which a meter's line and association are told, and the sizes of its keys: for whoever takes them in.

Constants only; each is checked where it comes in: wishes, models, worker files, captures.
"""

from typing import Final

TRANSPORTS: Final = ("hdlc", "wrapper")
REFERENCINGS: Final = ("ln", "sn")
LINE_MODES: Final = ("exclusive", "shared", "concurrent")
AUTHENTICATIONS: Final = ("none", "lls", "hls-md5", "hls-sha1", "hls-sha256", "hls-gmac")
SECURITIES: Final = ("none", "auth", "encrypt", "both")
MAX_SUITE: Final = 1
KEY_OCTETS: Final = 16
"""Of AES-128, which security suites 0 and 1 use."""
TITLE_OCTETS: Final = 8
"""Of a system title (IEC 62056-5-3, 4.3.4)."""
