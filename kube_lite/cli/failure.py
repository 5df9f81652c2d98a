"""How a command says that it could not be carried out."""


class Failure(Exception):
    """One line for the person at the terminal: what is wrong, and a way out."""
