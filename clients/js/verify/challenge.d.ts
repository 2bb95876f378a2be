import type { Challenge, ChallengeOptions } from "./index.d.ts";

/** Return the response to an error; one about our own configuration is thrown again. */
export declare function challenge(error: unknown, options?: ChallengeOptions): Challenge;

/** Return the token of an `Authorization` header, and whether it came by the scheme `DPoP`. */
export declare function credentials(authorization: string | null | undefined): { token: string; isDPoP: boolean };
