"""Clients at servers as companies have them: with TLS, logins and rights."""
