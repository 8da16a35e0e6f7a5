"""Settings of a picture, written into it and read back: an XMP packet, which all picture formats have."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr, unescape

from fastnst.errors import ConfigError
from fastnst.images._pillow import opened
from fastnst.printable import printable

Settings = dict[str, Any]
_PACKET = (
    '<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
    '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    '<rdf:Description rdf:about="" xmlns:fastnst="urn:fastnst" fastnst:settings={}/>'
    '</rdf:RDF></x:xmpmeta><?xpacket end="r"?>'
)
_SETTINGS = re.compile(r"""fastnst:settings=(?:"([^"]*)"|'([^']*)')""")
_XMP_TAG = 700  # of TIFF
_MAX_SHOWN_CHARACTERS = 80  # characters of a value in a message


def mark(settings: Settings) -> bytes:
    """The packet; nothing in it but ASCII."""
    return _PACKET.format(quoteattr(json.dumps(settings))).encode("ascii")


def read_mark(path: Path) -> Settings | None:
    """The settings that a picture carries; None for a picture of somebody else, or what is not one."""
    try:
        with opened(path) as image:
            packet = image.info.get("xmp") or image.info.get("XML:com.adobe.xmp")
            if image.format == "TIFF":
                packet = packet or image.tag_v2.get(_XMP_TAG)  # type: ignore[attr-defined]
    except Exception:  # Pillow's readers raise whatever a damaged file makes them stumble over
        return None
    text = packet.decode("utf-8", "replace") if isinstance(packet, bytes) else str(packet or "")
    found = _SETTINGS.search(text)
    if found is None:
        return None
    return parsed(unescape(found[1] or found[2] or "", {"&quot;": '"', "&apos;": "'"}))


def parsed(text: str) -> Settings | None:
    """Settings from JSON; None for anything else."""
    try:
        settings = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return settings if isinstance(settings, dict) else None


def compare(path: Path, found: Settings, wanted: Settings) -> None:
    """Raise `ConfigError` if unfinished work was begun with other settings: the halves would not fit together."""
    for name, value in wanted.items():
        if found.get(name) != value:
            before, now = printable(found.get(name), _MAX_SHOWN_CHARACTERS), printable(value, _MAX_SHOWN_CHARACTERS)
            raise ConfigError(
                f"{path} was begun with {name} {before}, not {now}:"
                " give the same options to go on, or --overwrite instead of --resume to start again."
            )
