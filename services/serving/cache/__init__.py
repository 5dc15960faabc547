"""Answers that were given before: kept for whom the policy says, found by the same request or by a near question."""
