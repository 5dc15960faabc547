"""The protocols that clients speak: how each asks, and how what a chat answers is said in each."""
