"""The command moga: arguments in, a flow called, its result printed."""
