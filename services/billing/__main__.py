"""`python -m services.billing`: billing as a process of its own."""

from services.__main__ import alone

if __name__ == "__main__":
    alone("billing")
