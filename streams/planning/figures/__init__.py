"""Pictures of a branch network and of plans for it. Nothing here is solved: plans are given."""
