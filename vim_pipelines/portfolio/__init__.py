"""What a portfolio is: which sources feed which entity, how fields are mapped, who holds which role, in which currency."""
