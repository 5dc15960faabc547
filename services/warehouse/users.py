"""Who asks SQL: the operators, who may do everything, and one read-only user for each tenant, named as it is."""

import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from services.warehouse.faults import AUTHENTICATION_FAILED, SqlFault


@dataclass(frozen=True, slots=True)
class User:
    """A user who proved who they are. `tenant` is None for the operators."""

    name: str
    tenant: str | None


class Users:
    """Knows the passwords: the operators' own, and the tenants' as they stand now."""

    def __init__(
        self, operator: str, password: str, tenants: Callable[[], Mapping[str, str]]
    ) -> None:
        self._operator = operator
        self._password = password
        self._tenants = tenants

    def authenticate(self, name: str, password: str) -> User:
        """The user of a name and password. Raises `SqlFault`, the same for a wrong name and a wrong password."""
        operator = name == self._operator
        known = self._password if operator else self._tenants().get(name, "")
        equal = hmac.compare_digest(known.encode(), password.encode())
        if not known or not equal:
            raise SqlFault(
                AUTHENTICATION_FAILED,
                f"{name}: Authentication failed: password is incorrect, or there is no user with such name.",
            )
        return User(name, None if operator else name)
