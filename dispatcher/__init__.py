"""What is decided: how a batch is divided, and how a roster changes. Pure, but for `redis_store`.

`channel` is the heart: `decide(state, event)` and `evolve(state, decision)`. Below it stand
`apportionment` (how many), `interleaving` (in which order), `roster` (who, and what they carry),
`recent` (what was seen before); beside it `encoding` (a decision as bytes) and `state_records`
(a state as changelog records). `store` is the port to where states are kept.
"""
