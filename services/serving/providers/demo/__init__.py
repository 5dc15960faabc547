"""The built-in model: it answers without any upstream, and says plainly that it is a demo."""
