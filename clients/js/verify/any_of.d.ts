import type { TokenVerifier, Verifier } from "./index.d.ts";

/** Accept the tokens of several issuers, each by its own verifier; the handlers take the result in place of one. */
export declare function anyOf(...verifiers: Verifier[]): TokenVerifier;
