"""The branch network around its models: data, reports, and the way from a plan to rosters."""
