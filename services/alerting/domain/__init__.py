"""What is worth an alert, what an alert goes through, and what it says. Pure."""
