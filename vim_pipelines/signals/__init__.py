"""What SQL cannot say well: tail probabilities, risk rules, scores. Pure functions over vectors; reads base models, writes schema `computed`."""
