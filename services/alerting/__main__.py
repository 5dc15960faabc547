"""`python -m services.alerting`: alerting as a process of its own."""

from services.__main__ import alone

if __name__ == "__main__":
    alone("alerting")
