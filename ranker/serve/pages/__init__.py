"""What browsers show: pages and what they load."""
