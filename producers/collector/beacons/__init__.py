"""Beacons of other analytics, as their own scripts send them."""
