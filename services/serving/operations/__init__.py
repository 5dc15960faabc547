"""Operations: what serving tells of itself, to callers and to operators, and what operators may do to it."""
