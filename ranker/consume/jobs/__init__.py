"""Jobs of `ranker consume` beside the counting, which never waits for them."""
