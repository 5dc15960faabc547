"""From accepted to queryable: how many facts a second the log and the warehouse carry, and where the time goes."""
