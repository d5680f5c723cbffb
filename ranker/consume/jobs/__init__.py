"""What runs in `ranker consume` beside the counting: nothing that is counted waits for it."""
