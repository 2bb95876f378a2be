// Verifies access tokens on any JavaScript server, and follows what their issuer revokes. WebCrypto, no dependencies.

export { challenge, credentials } from "./lib/challenge.js";
export { InMemoryReplays } from "./lib/dpop.js";
export { VerifyError } from "./lib/errors.js";
export { Principal } from "./lib/principal.js";
export { Verifier } from "./lib/verifier.js";
