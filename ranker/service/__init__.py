"""What every process that serves HTTP has alike. Producers may import this package, and nothing else of ranker."""
