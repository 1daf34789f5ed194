def requirement(*names: str):
    return lambda f: f
