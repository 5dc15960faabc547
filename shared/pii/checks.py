"""The arithmetic by which numbers prove themselves: Luhn, ISO 7064, and the shapes of addresses."""

import ipaddress

# ISO 13616 registry: the length of an IBAN by country.
_IBAN_LENGTHS = {
    "AD": 24, "AE": 23, "AL": 28, "AT": 20, "AZ": 28, "BA": 20, "BE": 16, "BG": 22, "BH": 22,
    "BI": 27, "BR": 29, "BY": 28, "CH": 21, "CR": 22, "CY": 28, "CZ": 24, "DE": 22, "DJ": 27,
    "DK": 18, "DO": 28, "EE": 20, "EG": 29, "ES": 24, "FI": 18, "FK": 18, "FO": 18, "FR": 27,
    "GB": 22, "GE": 22, "GI": 23, "GL": 18, "GR": 27, "GT": 28, "HR": 21, "HU": 28, "IE": 22,
    "IL": 23, "IQ": 23, "IS": 26, "IT": 27, "JO": 30, "KW": 30, "KZ": 20, "LB": 28, "LC": 32,
    "LI": 21, "LT": 20, "LU": 20, "LV": 21, "LY": 25, "MC": 27, "MD": 24, "ME": 22, "MK": 19,
    "MN": 20, "MR": 27, "MT": 31, "MU": 30, "NI": 28, "NL": 18, "NO": 15, "OM": 23, "PK": 24,
    "PL": 28, "PS": 29, "PT": 25, "QA": 29, "RO": 24, "RS": 22, "RU": 33, "SA": 24, "SC": 31,
    "SD": 18, "SE": 24, "SI": 19, "SK": 24, "SM": 27, "SO": 23, "ST": 25, "SV": 28, "TL": 23,
    "TN": 24, "TR": 26, "UA": 29, "VA": 22, "VG": 24, "XK": 20, "YE": 30,
}  # fmt: skip

# The lengths that card numbers of a first digit have (ISO/IEC 7812).
_CARD_LENGTHS = {"2": {16}, "3": {14, 15, 16}, "4": {13, 16, 19}, "5": {16}, "6": {16, 17, 18, 19}}
_MAESTRO = ("50", "56", "57", "58", "59", "6")


def is_card(digits: str) -> bool:
    """Whether the digits are a card number: an issuer's prefix, its length, and Luhn's check.

    >>> is_card("4111111111111111"), is_card("4111111111111112")
    (True, False)
    """
    fits = len(digits) in _CARD_LENGTHS.get(digits[:1], ())
    maestro = digits.startswith(_MAESTRO) and 12 <= len(digits) <= 19
    return (fits or maestro) and len(set(digits)) > 1 and luhn(digits)


def luhn(digits: str) -> bool:
    """Luhn's check (ISO/IEC 7812-1 annex B)."""
    odd = sum(map(int, digits[-1::-2]))
    even = sum(sum(divmod(2 * int(digit), 10)) for digit in digits[-2::-2])
    return (odd + even) % 10 == 0


def is_nhs(digits: str) -> bool:
    """Whether ten digits are an NHS number: the last is the check digit, modulo 11 (NHS Data Dictionary).

    >>> is_nhs("9434765919"), is_nhs("9434765918")
    (True, False)
    """
    if len(digits) != 10 or len(set(digits)) == 1:
        return False
    weighted = sum(int(digit) * (10 - place) for place, digit in enumerate(digits[:9]))
    return (11 - weighted % 11) % 11 == int(digits[9])


def iban_length(country: str) -> int | None:
    """How many characters an IBAN of the country has; None for no country of the registry."""
    return _IBAN_LENGTHS.get(country.upper())


def is_iban(characters: str) -> bool:
    """Whether the check digits of an IBAN without spaces hold (ISO 7064 MOD 97-10).

    >>> is_iban("GB82WEST12345698765432"), is_iban("GB83WEST12345698765432")
    (True, False)
    """
    moved = characters[4:] + characters[:4]
    return int("".join(str(int(character, 36)) for character in moved)) % 97 == 1


def is_public_like_ipv4(text: str) -> bool:
    """Whether four numbers are an address of somebody, and not a version or a section.

    Numbers that are all below 20 are taken for a version: "see section 1.2.3.4".
    """
    octets = [int(part) for part in text.split(".")]
    if max(octets) > 255 or max(octets) < 20:
        return False
    return not (octets[0] in (0, 127) or octets == [255] * 4)


def is_ipv6(text: str) -> bool:
    """Whether the text is an IPv6 address of somebody: no loopback, and with a digit in it."""
    try:
        address = ipaddress.IPv6Address(text)
    except ValueError:
        return False
    # `dead::beef` is a path in C++ or Rust as often as an address.
    groups = [group for group in text.split(":") if group]
    return len(groups) > 1 and any(map(str.isdigit, text)) and not address.is_loopback
