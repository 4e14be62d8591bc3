"""Everything that ends in files for an app: export, checks against hardware, bundles."""
