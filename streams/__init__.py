"""How it runs: intake, processing, transactions, restore, views, command line."""
