"""What lists are in use, what is shown of them, and the refresh between the two."""
