"""Where calls that do not depend on each other are run: this process, its own workers, or the workers of a cluster."""
