"""The configuration as a process starts on it."""

import os
from dataclasses import replace

from services.settings import Installation
from shared.config import Config
from shared.config.loader import load_config


def own_config(installation: Installation) -> Config:
    """The configuration in force. Its `secrets` are the whole environment, as it was at the installation's start:
    a provider that a later reading adds names its key there, too."""
    config = load_config(installation.config_path, os.environ)
    return replace(config, secrets={**os.environ, **config.secrets})
