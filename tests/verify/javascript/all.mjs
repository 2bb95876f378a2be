// Every unit test of the JavaScript verifier, in one process.

import "./cases.test.mjs";
import "./protocol.test.mjs";
import "./follower.test.mjs";
import "./relays.test.mjs";
import "./verifier.test.mjs";
import "./sse.test.mjs";
