"""What a call cost: one pure function for everyone who must name the same digits."""
