// Verifies access tokens on any JavaScript server, and follows what their issuer revokes. WebCrypto, no dependencies.
//
// What this file imports verifies tokens. What not every API needs is loaded when it is needed: following revocations,
// DPoP, and the tokens of other issuers.

export { VerifyError } from "./lib/errors.js";
export { Principal } from "./lib/principal.js";
export { Verifier } from "./lib/verifier.js";
