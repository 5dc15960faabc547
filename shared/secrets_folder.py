"""The installation's own secrets, in files that only its user may read: the pepper, and what was shown once."""

import os
import secrets
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

import orjson

from shared.errors import Invalid

PEPPER_BYTES = 32
OPERATORS = "leeway"  # the operators' tenant, and the SQL user that sees every tenant


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a laptop's second start needs again: API keys by "tenant/name", SQL passwords by user."""

    keys: Mapping[str, str] = field(default_factory=dict, repr=False)
    sql_passwords: Mapping[str, str] = field(default_factory=dict, repr=False)


class SecretsFolder:
    """`<data>/secrets`: the folder is 0700 and its files 0600; each is made at its first use."""

    operator_user = OPERATORS

    def __init__(self, data: Path) -> None:
        self._folder = data / "secrets"

    def pepper(self, given: bytes | None = None) -> bytes:
        """The key under which secrets of API keys are hashed. Without it no key is ever known again.

        A first use keeps the one `given`, or makes one; raises `Invalid` when it is not the one kept.
        """
        path = self._folder / "pepper"
        if not path.exists():
            self._create(path, given or secrets.token_bytes(PEPPER_BYTES))
        pepper = path.read_bytes()
        if len(pepper) != PEPPER_BYTES:
            raise Invalid(f"{path}: expected {PEPPER_BYTES} bytes, found {len(pepper)}.")
        if given is not None and given != pepper:
            raise Invalid(f"{path}: is not the pepper that was given: keys would be unknown.")
        return pepper

    def operator_password(self) -> str:
        """The SQL password of the operators' user."""
        return self.sql_password(OPERATORS)

    def sql_password(self, user: str) -> str:
        """The SQL password of a user, made at its first use."""
        known = self.credentials().sql_passwords.get(user)
        if known is not None:
            return known
        return self.new_sql_password(user)

    def new_sql_password(self, user: str) -> str:
        """Another SQL password for a user: the one before opens nothing from now on."""
        made = secrets.token_urlsafe(32)
        self.remember(Credentials(sql_passwords={user: made}))
        return made

    def credentials(self) -> Credentials:
        """Everything remembered so far."""
        path = self._credentials_path
        if not path.exists():
            return Credentials()
        try:
            held = orjson.loads(path.read_bytes())
            return Credentials(dict(held["keys"]), dict(held["sql_passwords"]))
        except (orjson.JSONDecodeError, KeyError, TypeError, ValueError) as error:
            raise Invalid(f"{path} is damaged: delete it and make new keys.") from error

    def remember(self, new: Credentials) -> None:
        """Add to what is remembered; the same name again replaces the older secret.

        One process at a time: the launcher, or a command that a person runs.
        """
        held = self.credentials()
        self._keep(
            Credentials(
                keys={**held.keys, **new.keys},
                sql_passwords={**held.sql_passwords, **new.sql_passwords},
            )
        )

    def forget_all_but(self, tenants: Collection[str]) -> None:
        """Forget what is of other tenants than these and the operators'; `remember` says by whom it is called."""
        held = self.credentials()
        staying = {*tenants, OPERATORS}
        kept = Credentials(
            keys={name: key for name, key in held.keys.items() if _tenant(name) in staying},
            sql_passwords={u: word for u, word in held.sql_passwords.items() if u in staying},
        )
        if kept != held:
            self._keep(kept)

    def _keep(self, credentials: Credentials) -> None:
        draft = self._draft(orjson.dumps(asdict(credentials), option=orjson.OPT_INDENT_2))
        draft.replace(self._credentials_path)

    @property
    def _credentials_path(self) -> Path:
        return self._folder / "credentials.json"

    def _create(self, path: Path, content: bytes) -> None:
        """Put a whole file in place, or leave the one that another process was quicker to put there."""
        draft = self._draft(content)
        try:
            path.hardlink_to(draft)
        except FileExistsError:
            pass
        finally:
            draft.unlink()

    def _draft(self, content: bytes) -> Path:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = self._folder / f".draft-{secrets.token_hex(8)}"
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        return draft


def _tenant(key_name: str) -> str:
    return key_name.partition("/")[0]
