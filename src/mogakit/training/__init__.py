"""Training: recipes as a table, data, optimisers as the papers' frameworks compute them, one resumable loop."""
