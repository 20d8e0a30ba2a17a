"""What an alarm waits for: one small machine a kind, fed with what a stream brings."""
