"""Tests against an emulator of the NanoPhoto.AI API, with pytest: the fixtures `nanophoto` and `nanophoto_emulator`."""

from .control import AccountControl, Emulator
from .http import ControlError

__version__ = "0.1.0"
__all__ = ["AccountControl", "ControlError", "Emulator", "__version__"]
