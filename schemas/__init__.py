"""What travels: the events, their scalars, the topics, and their published documents.

In: nothing but pydantic and the standard library. Out: the one definition of every wire format.
Read `scalars`, then `inputs`, `outputs`, `topics`; `partitioning` says where a key belongs,
`documents` publishes all of it as JSON Schema and AsyncAPI.
"""
