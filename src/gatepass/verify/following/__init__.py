"""Following an issuer's revocations: the protocol without I/O, clock or lock. `follow.py` fetches and listens.

A revocation is a bit of a status list, a token's `jti` or a key's `kid`; never a time, and never a token's text. It is
published in three ways: the status lists, a snapshot of ids, and a stream of events that continues from the snapshot. A
reader that has missed an event starts over from the documents.

A chapter of the protocol is a file:

- `document`: a document, who signed it, and how old it is; `proof`: what it proves; `retry`: when to ask again
- `status_lists` and `names`: what is revoked, in memory; `events`: the last event that we know
- `bridged`: what a bridge tells of another issuer, whose tokens it does not sign
- `known`: all of it together; `verdict`: whether a token passes
- `stream`: the greeting, heartbeats and events, and reconnecting; `sse`: how they are framed
- `documents`: what to fetch and when, and what an answer changes
- `upstreams`: where to fetch it: at relays, or at the issuer itself
- `sleep`: a process that did not run has missed something
- `health`: how up to date we are; `revocations`: the chapters of one issuer
"""
