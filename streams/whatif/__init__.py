"""What would have been: a recorded history divided again, under other terms and by other methods.

Follow the data: events (`history`; of a running system `recorded`, `order`) → other terms
(`changes`) → divided by Partidor, step by step (`course`) → by other methods (`baselines`,
`chairman`) → measured alike (`measure`) → compared (`comparison`) → shown (`documents`, `plots`).
Only `recorded` and `plots` do I/O.
"""
