"""What may be printed: texts that somebody else has chosen, made harmless."""


def tame(text: str) -> str:
    """Return a text in which nothing can steer the terminal: callers and servers choose some of what is printed."""
    return "".join([letter if letter.isprintable() else "\ufffd" for letter in text])
