"""Its port: the protocol, bodies, answers, the tracker's script."""
