"""What the workers and replicas of serving share: small values with an end, claims, and the meters of limits."""
