"""Passing: images, sounds, moderations, files and batches, which pass as they are to the provider that has them."""
