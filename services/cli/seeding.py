"""The control plane as leeway.yaml wants it: brought up to date, with the secrets that were made kept."""

import os
from dataclasses import dataclass

from services.alerting.channels.catalog import channels_of
from services.registry.app import prepare as prepare_registry
from services.registry.settings import Settings as RegistrySettings
from services.settings import Installation
from shared.config import Config
from shared.config.loader import load_config
from shared.egress import Egress
from shared.prices.seed import installed_book
from shared.secrets_folder import Credentials, SecretsFolder


@dataclass(frozen=True, slots=True)
class First:
    """The first tenant of the configuration and the first of its keys, empty when it is not kept here."""

    tenant: str
    api_key: str


def configured(installation: Installation) -> Config:
    """The configuration, refused whole by its one reading; what services would refuse later is asked all the same."""
    config = load_config(installation.config_path, os.environ)
    channels_of(config, Egress(config.webhook_allow))
    installed_book(config)
    return config


async def prepare_control(
    installation: Installation, config: Config, settings: RegistrySettings
) -> First:
    """Bring the control plane up to date, and remember the secrets that it made."""
    secrets = SecretsFolder(installation.data)
    pepper = secrets.pepper(installation.pepper_bytes)
    seeded = await prepare_registry(settings, installation.data, config, pepper)
    secrets.remember(
        Credentials(keys={f"{tenant}/{name}": token for tenant, name, token in seeded.keys})
    )
    secrets.forget_all_but(seeded.tenants)
    for tenant in config.tenants:
        if tenant.sql_password:
            password = config.secret(tenant.sql_password)
            secrets.remember(Credentials(sql_passwords={tenant.tenant: password}))
        else:
            secrets.sql_password(tenant.tenant)
    first = config.tenants[0]
    name = f"{first.tenant}/{first.keys[0].name}" if first.keys else ""
    return First(first.tenant, secrets.credentials().keys.get(name, ""))
