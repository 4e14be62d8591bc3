"""From what a tool printed to numbers. A parser finds what it needs or raises `ParseError`; it never guesses."""
