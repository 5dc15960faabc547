"""E-mail: plain text over SMTP, with TLS from the start, by STARTTLS, or without it to a listed network."""

import asyncio
from dataclasses import dataclass, field
from datetime import datetime
from email.message import EmailMessage
from email.utils import format_datetime, parseaddr
from enum import StrEnum

from aiosmtplib import SMTP
from aiosmtplib.errors import SMTPException, SMTPRecipientsRefused, SMTPResponseException

from services.alerting.domain.delivery import Delivered, Delivery, Failed, Outcome, Refused
from shared.egress import Egress
from shared.errors import Denied, Unavailable


class Security(StrEnum):
    """How the connection is protected."""

    TLS = "tls"
    STARTTLS = "starttls"
    NONE = "none"


DEADLINE_SECONDS = 30.0  # greeting, TLS, login, envelope and text are a dozen round trips
PORTS = {Security.TLS: 465, Security.STARTTLS: 587, Security.NONE: 25}


@dataclass(frozen=True, slots=True)
class Mailbox:
    """The relay, and between whom the mail goes."""

    host: str
    port: int
    security: Security
    sender: str
    recipients: tuple[str, ...]
    username: str = ""
    password: str = field(default="", repr=False)

    @property
    def domain(self) -> str:
        """The domain that this installation writes from."""
        return parseaddr(self.sender)[1].rpartition("@")[2] or "localhost"


class EmailChannel:
    """Sends each delivery as one mail; those of one alert make one thread."""

    def __init__(self, mailbox: Mailbox, egress: Egress) -> None:
        self._mailbox = mailbox
        self._egress = egress

    async def send(self, delivery: Delivery, now: datetime) -> Outcome:
        try:
            async with asyncio.timeout(DEADLINE_SECONDS):
                await self._send(mail_of(delivery, self._mailbox, now))
        except Denied as forbidden:
            return Refused(forbidden.message)
        except Unavailable as fault:
            return Failed(fault.message)
        except (SMTPRecipientsRefused, SMTPResponseException) as answered:
            return _outcome_of(answered)
        except (SMTPException, OSError) as fault:
            return Failed(f"The mail relay failed: {fault or type(fault).__name__}.")
        return Delivered()

    async def _send(self, mail: EmailMessage) -> None:
        box = self._mailbox
        plain = box.security is Security.NONE
        connected = await self._egress.connect(box.host, box.port, plain=plain)
        relay = SMTP(
            hostname=box.host,
            sock=connected,
            use_tls=box.security is Security.TLS,
            start_tls=box.security is Security.STARTTLS,
            username=box.username or None,
            password=box.password or None,
            local_hostname=box.domain,
            timeout=DEADLINE_SECONDS,
        )
        try:
            async with relay:
                await relay.send_message(mail, sender=box.sender, recipients=list(box.recipients))
        finally:
            connected.close()


def mail_of(delivery: Delivery, box: Mailbox, now: datetime) -> EmailMessage:
    """The mail of a delivery: its Message-ID is the same on every attempt, so that repeats are told."""
    told = delivery.notification
    mail = EmailMessage()
    mail["From"] = box.sender
    mail["To"] = ", ".join(box.recipients)
    mail["Subject"] = f"[{told.severity}] {told.title}"
    mail["Date"] = format_datetime(now)
    mail["Message-ID"] = f"<{delivery.delivery_id}@{box.domain}>"
    mail["References"] = f"<{told.alert_id}@{box.domain}>"
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(
        f"{told.title}\n\n{told.body}\n\nTo look further:\n\n{told.sql}\n\nAlert {told.alert_id}\n"
    )
    return mail


def _outcome_of(answered: SMTPRecipientsRefused | SMTPResponseException) -> Outcome:
    """A reply of 4yz asks for another try, one of 5yz for none (RFC 5321 section 4.2.1)."""
    refusals = answered.recipients if isinstance(answered, SMTPRecipientsRefused) else (answered,)
    reason = "; ".join(f"{one.code} {one.message}" for one in refusals)
    if all(one.code >= 500 for one in refusals):
        return Refused(f"The mail relay refused: {reason}")
    return Failed(f"The mail relay deferred: {reason}")
