"""The channels of an installation, from its configuration."""

from collections.abc import Callable, Mapping

from services.alerting.channels import opsgenie, pagerduty
from services.alerting.channels.channel import Channel, Form, HttpChannel
from services.alerting.channels.log import LogChannel
from services.alerting.channels.mail import PORTS, EmailChannel, Mailbox, Security
from services.alerting.channels.opsgenie import OpsgenieForm
from services.alerting.channels.pagerduty import PagerDutyForm
from services.alerting.channels.slack import SlackForm
from services.alerting.channels.teams import TeamsForm
from services.alerting.channels.webhook import WebhookForm
from shared.config import ChannelConfig, Config
from shared.egress import Egress
from shared.errors import Denied, Invalid
from shared.webhook_secret import secret_bytes

DEFAULT_CHANNEL = "log"


def channels_of(config: Config, egress: Egress) -> Mapping[str, Channel]:
    """Every channel by its name; the log alone when none is configured.

    Raises `Invalid` with the faults of all channels: the loader has checked their shape, here their
    secrets and addresses are.
    """
    channels: dict[str, Channel] = {}
    faults: list[str] = []
    for channel in config.channels or (ChannelConfig(DEFAULT_CHANNEL, "log"),):
        try:
            channels[channel.name] = _channel(channel, config, egress)
        except (Invalid, Denied) as fault:
            faults.append(f"channel '{channel.name}': {fault.message}")
    if faults:
        raise Invalid("Channels are not usable.", faults=tuple(faults))
    return channels


def _channel(channel: ChannelConfig, config: Config, egress: Egress) -> Channel:
    options = _Options(channel, config)
    if channel.kind == "log":
        return LogChannel()
    if channel.kind == "email":
        return EmailChannel(_mailbox(options), egress)
    form = _FORMS[channel.kind](options)
    egress.destination(form.url)
    return HttpChannel(form, egress)


class _Options:
    """A channel's options, as the loader left them."""

    def __init__(self, channel: ChannelConfig, config: Config) -> None:
        self._options = channel.options
        self._config = config

    def text(self, name: str, default: str = "") -> str:
        return str(self._options.get(name, default))

    def texts(self, name: str) -> tuple[str, ...]:
        value = self._options.get(name, ())
        return tuple(str(item) for item in value) if isinstance(value, list | tuple) else ()

    def secret(self, name: str) -> str:
        return self._config.secret(self.text(name))

    def header(self, name: str) -> str:
        """A secret that travels in a header or a field: visible ASCII and nothing else."""
        value = self.secret(name)
        if not value.isascii() or not value.isprintable() or " " in value:
            raise Invalid(f"The secret of '{name}' holds characters that no such key has.")
        return value


def _webhook(options: _Options) -> Form:
    given = (options.secret("secret"), options.secret("previous_secret"))
    return WebhookForm(options.text("url"), tuple(secret_bytes(text) for text in given if text))


def _slack(options: _Options) -> Form:
    return SlackForm(options.secret("url"))


def _teams(options: _Options) -> Form:
    return TeamsForm(options.secret("url"))


def _pagerduty(options: _Options) -> Form:
    return PagerDutyForm(options.header("routing_key"), options.text("url", pagerduty.URL))


def _opsgenie(options: _Options) -> Form:
    return OpsgenieForm(options.header("api_key"), options.text("url", opsgenie.URL))


_FORMS: Mapping[str, Callable[[_Options], Form]] = {
    "webhook": _webhook,
    "slack": _slack,
    "teams": _teams,
    "pagerduty": _pagerduty,
    "opsgenie": _opsgenie,
}


def _mailbox(options: _Options) -> Mailbox:
    security = Security(options.text("security", Security.STARTTLS))
    return Mailbox(
        host=options.text("host"),
        port=int(options.text("port", str(PORTS[security]))),
        security=security,
        sender=options.text("from"),
        recipients=options.texts("to"),
        username=options.text("username"),
        password=options.secret("password"),
    )
