"""Who asks SQL: the operators, who may do everything, and one read-only user for each tenant, named as it is."""

import hmac
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass

from services.warehouse.faults import AUTHENTICATION_FAILED, SqlFault


@dataclass(frozen=True, slots=True)
class User:
    """A user who proved who they are. `tenant` is None for the operators."""

    name: str
    tenant: str | None


class Users:
    """Knows the passwords: the operators' own, and as they stand now those of the tenants that are live."""

    def __init__(
        self,
        operator: str,
        password: str,
        passwords: Callable[[], Mapping[str, str]],
        live: Callable[[], Container[str]],
    ) -> None:
        self._operator = operator
        self._password = password
        self._passwords = passwords
        self._live = live

    def authenticate(self, name: str, password: str) -> User:
        """The user of a name and password. Raises `SqlFault`, the same for a wrong name and a wrong password."""
        operator = name == self._operator
        known = self._password if operator else self._of_tenant(name)
        equal = hmac.compare_digest(known.encode(), password.encode())
        if not known or not equal:
            raise SqlFault(
                AUTHENTICATION_FAILED,
                f"{name}: Authentication failed: password is incorrect, or there is no user with such name.",
            )
        return User(name, None if operator else name)

    def _of_tenant(self, name: str) -> str:
        return self._passwords().get(name, "") if name in self._live() else ""
