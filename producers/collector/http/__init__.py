"""Its port: what it allows, bodies, answers, the tracker's script."""
