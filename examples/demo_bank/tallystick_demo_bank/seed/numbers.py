"""IBANs (ISO 13616) and LEIs (ISO 17442) with valid ISO 7064 MOD 97-10 check digits on bank codes that nobody holds."""

# Country -> the bank part of its BBAN (all nines or "DEMO") and how many digits of account number follow.
_BANKS = {
    "AT": ("99999", 11),
    "DE": ("99999999", 10),
    "GB": ("DEMO999999", 8),
    "IE": ("DEMO999999", 8),
    "LU": ("999", 13),
    "NL": ("DEMO", 10),
}


def remainder(text: str) -> int:
    """Return the text, its letters read as 10 to 35, modulo 97."""
    return int("".join(str(int(letter, 36)) for letter in text)) % 97


def iban(country: str, number: int) -> str:
    """Return the IBAN of the bank's account `number` in a country."""
    bank, digits = _BANKS[country]
    account = f"{bank}{number:0{digits}}"
    return f"{country}{98 - remainder(f'{account}{country}00'):02}{account}"


def lei(number: int) -> str:
    """Return a 20-character legal entity identifier; issuer prefix 9999 is not allocated."""
    body = f"999900DEMOBANK{number:04}"
    return f"{body}{98 - remainder(f'{body}00'):02}"
