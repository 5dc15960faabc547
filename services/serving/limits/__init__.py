"""How much may be asked: requests and tokens per minute and calls at once, of a key, a project, a tenant and a model."""
