"""Reading leeway.yaml again while everything runs: the whole of it takes effect, or nothing does."""

import asyncio
from dataclasses import replace
from pathlib import Path

from services.cli.seeding import configured, prepare_control
from services.registry.settings import Settings as RegistrySettings
from services.settings import Installation
from services.supervisor import Say
from shared.clock import Clock
from shared.config import Config
from shared.errors import Invalid, LeewayError
from shared.private_file import write_private
from shared.reloading import ConfigState, tell_state


class Reloading:
    """The configuration of a running installation.

    Providers, models, tenants and policies reach every process by the registry; what only a process
    that starts reads (prices, channels, rules) is in force once processes were renewed.
    """

    def __init__(
        self,
        installation: Installation,
        settings: RegistrySettings,
        config: Config,
        clock: Clock,
        say: Say,
    ) -> None:
        self._installation = installation
        self._settings = settings
        self._config = config
        self._clock = clock
        self._say = say
        now = clock.now()
        self._state = ConfigState(now, now)

    async def begin(self) -> None:
        """Tell that what the installation started with is in force."""
        await self._tell(self._state)

    async def reload(self) -> bool:
        """Read the file again. Whether processes must be renewed for all of it to be in force."""
        try:
            config = await self._taken_in()
        except LeewayError as error:
            faults = tuple(error.faults) if isinstance(error, Invalid) else ()
            self._say(f"the configuration stays as it is: {' '.join([error.message, *faults])}")
            told = faults or (error.message,)
            await self._tell(replace(self._state, tried_at=self._clock.now(), faults=told))
            return False
        before, self._config = self._config, config
        now = self._clock.now()
        await self._tell(ConfigState(now, now))
        self._say("the configuration was read again, and is in force")
        return _read_at_start(before) != _read_at_start(config)

    async def _taken_in(self) -> Config:
        """The file as it is now, copied for the processes and put into the registry. Raises `LeewayError`."""
        path = self._installation.config_path
        if path is None:
            raise Invalid("There is no leeway.yaml to read.")
        candidate = self._folder / "next" / path.name
        await asyncio.to_thread(_copy, path, candidate)
        read = self._installation.model_copy(update={"config": candidate})
        config = await asyncio.to_thread(configured, read)
        await prepare_control(read, config, self._settings)
        await asyncio.to_thread(candidate.replace, self._folder / "leeway.yaml")
        return config

    async def _tell(self, state: ConfigState) -> None:
        self._state = state
        await asyncio.to_thread(tell_state, self._installation.data, state)

    @property
    def _folder(self) -> Path:
        return self._installation.data.absolute() / "run"


def _copy(path: Path, to: Path) -> None:
    to.parent.mkdir(parents=True, exist_ok=True)
    try:
        write_private(to, path.read_bytes())
    except OSError as error:
        raise Invalid(f"{path} cannot be read: {error.strerror}.") from error


def _read_at_start(config: Config) -> Config:
    """What of a configuration only a process that starts reads."""
    providers = [replace(each, api_key="", options={}) for each in config.providers]
    return replace(config, providers=providers, models=(), tenants=(), secrets={})
