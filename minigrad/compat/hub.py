"""Downloads of models: minigrad fetches no weights, and reads files that are there.

>>> import minigrad as mg
>>> mg.hub.load_state_dict_from_url("https://example.org/net.pth")
Traceback (most recent call last):
...
RuntimeError: hub.load_state_dict_from_url: minigrad downloads no weights; fetch the file, ...
"""

from __future__ import annotations

from minigrad.compat.refusal import refused

__all__ = ["download_url_to_file", "load", "load_state_dict_from_url", "load_url"]

_NONE = "minigrad downloads no weights; fetch the file, and read it with minigrad.load(path)"

download_url_to_file = refused("hub.download_url_to_file", _NONE)
load = refused("hub.load", "minigrad runs no code from repositories; see minigrad.models")
load_state_dict_from_url = refused("hub.load_state_dict_from_url", _NONE)
load_url = refused("utils.model_zoo.load_url", _NONE)
