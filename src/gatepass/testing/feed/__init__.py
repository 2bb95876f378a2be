"""A scripted issuer for followers of the revocation protocol, in any language, that says what a follower did wrong.

`gatepass testing feed` runs it; docs/protocol/testing.md says how to connect a follower. From the bottom up:
`publishing` signs what an issuer publishes, true or forged; `stage` is one scenario's issuer and the conversation with
the harness; `scenarios` are the scripts; `serving` is HTTP.
"""
