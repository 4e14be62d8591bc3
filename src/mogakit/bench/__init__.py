"""What a measurement is, when it is taken, how it is kept, and the runner for this computer."""
