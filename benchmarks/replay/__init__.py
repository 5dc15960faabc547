"""The parts of the replay: its calls, its client, its kills, and the check of what was stored."""
