/** Options of `new Verifier`. Times are in seconds. */
export interface VerifierOptions {
  /** What `iss` must be, exactly; without `keys`, an https URL (http on this machine only). */
  issuer: string;
  /** What `aud` must name: this, or one of these. */
  audience: string | readonly string[];
  /** The issuer's keys, as a JWK Set. They are not fetched then. */
  keys?: { keys: readonly object[] };
  /** Where the keys are, for an issuer without a metadata document. */
  jwksUrl?: string;
  /** The header's `typ`, `at+jwt` by default (RFC 9068). For issuers that write something else name it; null: any. */
  typ?: string | null;
  /** The algorithm of published keys that name none and whose type leaves a choice, such as `RS256`. */
  alg?: string;
  /** The claim that says what the subject is: its name, or for one inside of others all names. */
  roles?: string | readonly string[];
  /** Which claim names the audience, at an issuer that writes no `aud`. */
  audienceClaim?: string;
  /** By how much the issuer's clock may differ; at most 300. */
  leeway?: number;
  /**
   * `feed` (the default): the issuer pushes what it revokes. `list`: it is fetched every half minute or so, when a token
   * comes; there are no timers. null (the default with `keys`): tokens are good until they expire. Or an object that is asked.
   */
  revocation?: "feed" | "list" | Denylist | null;
  /** What becomes of tokens while we do not know what has been revoked. `serve` by default. */
  stale?: "serve" | "refuse";
  /** The age of the issuer's last proof from which on we do not know any more; 60 by default. */
  staleAfter?: number;
  /**
   * The URLs of relays (`gatepass relay`) from which to learn what is revoked, the nearest first; the issuer comes last.
   * They need no trust and no TLS. One that is no URL refuses every token (`invalid_policy`).
   */
  relays?: readonly string[];
  /**
   * Where a bridge (`gatepass bridge`) tells what an issuer has revoked that publishes no feed itself, with the bridge's
   * name, what it shares with its readers (32 random characters or more), and a claim that may name the subject besides
   * `sub`. What makes no sense refuses every token (`invalid_policy`).
   */
  feedUrl?: string;
  feedIssuer?: string;
  feedSecret?: string;
  feedSubject?: string;
  /** How many verified tokens are remembered; 10,000 by default, 0 for none. */
  cacheSize?: number;
  /** Gets documents and the stream, in place of the platform's `fetch`. */
  fetch?: typeof globalThis.fetch;
  /** Which registered client this API is, for a place at the stream that strangers cannot take. */
  clientId?: string;
  clientSecret?: string;
  /** Which DPoP proofs are accepted. */
  dpop?: DPoPOptions;
  /** Fetch without TLS from hosts of a development network: names without a dot, and private addresses. */
  allowHttpInDevelopment?: boolean;
  /** Where warnings go; `console.warn` by default. */
  log?: (message: string) => void;
  /** The time since 1970. */
  clock?: () => number;
}

/** The application's own revocations, in place of the issuer's. */
export interface Denylist {
  /** Called for every token; it must not wait for anything. */
  isRevoked(principal: Principal): boolean;
}

/** What the handlers need: a `Verifier`, or `anyOf` several. */
export type TokenVerifier = Pick<Verifier, "verify" | "clock" | "dpop">;

/** Verifies access tokens of one issuer for one API. Make one when your application starts, and keep it. */
export declare class Verifier {
  constructor(options: VerifierOptions);
  readonly issuer: string;
  readonly audience: readonly string[];
  readonly clock: () => number;
  readonly dpop: DPoPOptions;
  /** Verify a token, without `Bearer` or `DPoP`. Fails with a `VerifyError`, whose `code` says why. */
  verify(token: string, dpop?: DPoP): Promise<Principal>;
  /** Fetch the keys and what has been revoked before the first token comes; wait for so many seconds at most. */
  start(seconds?: number): Promise<Health>;
  /** How up to date the keys and the revocations are. */
  health(): Health;
  /** Stop following what the issuer revokes. */
  close(): void;
}

/** The proof of a request (RFC 9449), and the request that it must be about. */
export interface DPoP {
  /** The value of the one `DPoP` header. */
  proof: string;
  method: string;
  /** The URL as the client wrote it: behind a proxy not always what the application sees. */
  url: string;
}

export interface DPoPOptions {
  /** Refuse tokens that are not bound to a key. */
  required?: boolean;
  /** How far a proof's `iat` may be from our clock; 60 by default. */
  seconds?: number;
  /** The store of used proofs; the processes that serve one API share it. By default the memory of this process. */
  replays?: Replays;
  /** 32 random bytes, the same in every process: proofs must then repeat a nonce that they authenticate. */
  nonceSecret?: Uint8Array;
}

export interface Replays {
  /** Record a use, atomically; return whether it was new. @param wall The time since 1970. */
  spend(name: string, seconds: number, wall?: number): boolean | Promise<boolean>;
}

/** The user or client that a verified token was issued to. It is frozen. */
export declare class Principal {
  constructor(fields: PrincipalFields);
  /** The user's id, or the client's own where no user is involved (`sub`). */
  readonly subject: string;
  /** The application that the token was issued to. */
  readonly clientId: string | null;
  /** The sign-in that the token belongs to (`sid`). */
  readonly sessionId: string | null;
  readonly tokenId: string | null;
  readonly scopes: readonly string[];
  readonly roles: readonly string[];
  readonly permissions: readonly string[];
  /** The organization that the token is for; rights in it are here alone. */
  readonly organization: Organization | null;
  /** Seconds since 1970. */
  readonly expiresAt: number;
  /** When the user last signed in, in seconds since 1970. */
  readonly authTime: number | null;
  readonly acr: string | null;
  readonly amr: readonly string[];
  /** The key that the sender has proved to have (`cnf.jkt`). */
  readonly keyThumbprint: string | null;
  /** The entries of status lists that can revoke the token. */
  readonly statuses: readonly { readonly idx: number; readonly uri: string }[];
  /** Every claim of the token. */
  readonly claims: Readonly<Record<string, unknown>>;
  /** Return if the principal has what is named, or throw an error for `challenge`. @param now Seconds since 1970. */
  require(requirement: Requirement, now?: number): void;
}

/** What a principal is made of; anything may be left out. */
export type PrincipalFields = { -readonly [Name in Exclude<keyof Principal, "require">]?: Principal[Name] };

export interface Organization {
  readonly id: string;
  readonly slug: string | null;
  readonly roles: readonly string[];
  readonly permissions: readonly string[];
}

export interface Requirement {
  /** Scopes separated by spaces; all are needed. */
  scope?: string;
  /** A role; or several, of which one is enough. */
  role?: string | readonly string[];
  /** Permissions separated by spaces; all are needed. */
  permission?: string;
  /** The id of an organization, or `*` for whichever the token is for; role and permission are then those in it. */
  organization?: string;
  /** Authentication context classes separated by spaces; one is enough. */
  acr?: string;
  /** Authentication methods separated by spaces; all are needed. */
  amr?: string;
  /** The maximum age of the user's sign-in. */
  maxAge?: number;
}

export interface Health {
  readonly keysFresh: boolean;
  /** Whether good tokens are accepted. */
  readonly ready: boolean;
  /** Why tokens may lack a key. */
  readonly keysProblem: string | null;
  /**
   * `live`: revocations arrive within a second. `list only`: they are fetched each `ttl`. `stale`: they have been unknown for
   * more than `staleAfter`, or a list cannot be fetched. `starting`: no word yet. `off`: they are not followed.
   */
  readonly feed: "off" | "starting" | "live" | "stale" | "list only";
  /** Within how many seconds a revocation is known at worst, as things stand. */
  readonly knownWithin: number | null;
  readonly provedSecondsAgo: number | null;
  readonly epoch: string | null;
  readonly eventId: number | null;
  /** How many status lists are held. */
  readonly lists: number;
  readonly listsMissing: number;
  /** How many documents and messages were refused: forged, older than ours, or broken. */
  readonly refusals: number;
}

/** Why a token was refused, or could not be judged. The README lists every `code`. */
export declare class VerifyError extends Error {
  constructor(code: string, message: string, more?: object);
  readonly code: string;
  readonly claim?: string;
  readonly scope?: string;
  readonly acrValues?: string;
  readonly maxAge?: number;
  readonly retryAfter?: number;
  readonly nonce?: string;
}

/** The response to a request that was refused. */
export interface Challenge {
  readonly status: number;
  readonly headers: Record<string, string>;
  /** A sentence for developers; it reveals nothing about the token. */
  readonly detail: string;
}

export interface ChallengeOptions {
  /** Whether the request used the scheme `DPoP`. */
  dpop?: boolean;
  /** Whether nothing but `DPoP` is accepted. */
  dpopRequired?: boolean;
  /** The URL of the API's metadata document (RFC 9728 §5.1). */
  resourceMetadata?: string;
}

/** Options of the handlers for `fetch`, Express, Fastify and Hono. */
export interface GuardOptions {
  /** The API's own origin, `https://api.example.com`. DPoP proofs are then for it, whatever `Host` a request names. */
  origin?: string;
  /** The URL of the API's metadata document (RFC 9728 §5.1), which challenges then name. */
  resourceMetadata?: string;
  /** Let requests without a token in, with null for the principal; a bad token is still refused. */
  optional?: boolean;
}

/** What of a request is needed to judge it; several values of a header are joined by commas. */
export interface IncomingRequest {
  authorization: string;
  proof: string;
  method: string;
  url: string;
}

export type Admitted = { principal: Principal | null; refused: null } | { principal: null; refused: Challenge };
