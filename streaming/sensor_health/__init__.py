"""How a sensor does: hot pixels, flicker, balance, rates, silence and its clock, from its events alone."""
