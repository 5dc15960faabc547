"""Registry: what may run: tenants, their projects, environments and keys; providers and public models.

In        leeway.yaml at the start; HTTP /v1/registry
Out       registry.changed.v1 (every change is a row of `changes` in its own transaction, then a fact)
Owns      installation, tenants, projects, environments, keys, providers, models, stops, changes
Answers   operators about everything, a tenant's keys about their tenant (read, admin); over gRPC what is live,
          for services without the log
Once      a fact's event id is made of its revision; readers fold by revision, so twice is once
Settings  LEEWAY_REGISTRY_
"""
