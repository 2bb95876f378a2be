/** Options of `createClient`; all may be left out on the issuer's own site. */
export interface ClientOptions {
  /** The issuer's URL; by default the one that this module was loaded from. Required where it comes out of a bundle. */
  issuer?: string;
  /** The id of a client of the kind `browser`, for a page on another site than the issuer's: OpenID Connect with PKCE. */
  clientId?: string;
  /** Where the issuer sends people back to, as it was registered; by default the root of the page's origin. */
  redirectUri?: string;
  /** Where people go after signing out at the issuer, as it was registered. */
  postLogoutRedirectUri?: string;
  /** The origins that `fetch` may send the token to, besides the page's own and the issuer's. */
  origins?: string[];
  /** The API that tokens are for; by default what the server is set up for. */
  audience?: string;
  /** The scopes, separated by blanks; for another site `openid` by default. */
  scope?: string;
}

/** One sign-in of one person in this browser. */
export interface Session {
  /** The person's id (`sub`). */
  readonly subject: string;
  /** The session's id (`sid`); another sign-in of the same person has another. */
  readonly sessionId: string;
  readonly roles: readonly string[];
  readonly scopes: readonly string[];
}

/** What the server says of the person: `/me`, or UserInfo for a page of another site. */
export interface User {
  id?: string;
  sub?: string;
  email?: string;
  email_verified?: boolean;
  [name: string]: unknown;
}

export type Listener = (session: Session | null) => void;

export interface Client {
  /** The session as far as it is known: undefined until the server has been asked. */
  readonly current: Session | null | undefined;
  /** The session, or null. Asks the server the first time, and completes a sign-in that a redirect came back from. */
  session(): Promise<Session | null>;
  /** Be told of every sign-in and sign-out, in any tab; returns how to stop. */
  onChange(listener: Listener): () => void;

  /** Make an account. Null if the server has sent an email instead, whose link goes on. */
  signUp(person: { email: string; password: string; captcha?: string; proof?: string }): Promise<Session | null>;
  /** By password. From another site: lead to the issuer, whose answer `session()` takes. */
  signIn(person?: { email?: string; password?: string; organization?: string; prompt?: string }): Promise<Session | null>;
  /** Lead to a provider, `google` say; people come back to this page. */
  signInWith(provider: string): Promise<null>;
  /** By a passkey. With `mediation: "conditional"` the browser offers it in an input field with autocomplete="webauthn". */
  signInWithPasskey(more?: { mediation?: CredentialMediationRequirement; signal?: AbortSignal }): Promise<Session | null>;
  /** Send a code by email, if there is an account. */
  sendCode(person: { email: string }): Promise<void>;
  /** By the code of that email. */
  signInWithCode(proof: { code: string }): Promise<Session>;
  /** The second factor, after an error `second_factor_required`, whose `factors` name what there is. */
  answerFactor(factor: { code?: string; recoveryCode?: string; passkey?: true; remember?: boolean }): Promise<Session>;

  /** Get a new access token now, for another organization if one is named ("" for none). */
  refresh(options?: { organization?: string }): Promise<Session | null>;
  /** Sign out, in all tabs at once; `everywhere` ends the person's other sessions too. */
  signOut(options?: { everywhere?: boolean }): Promise<void>;

  /** `fetch` with the access token, to the page's origin, the issuer's, and the `origins`; follows no redirect. */
  fetch(input: RequestInfo | URL, init?: RequestInit): Promise<Response>;
  /** Who is signed in. */
  user(): Promise<User | null>;
}

/** What went wrong: the server's `code`, or one of ours, which the README lists. */
export declare class AuthError extends Error {
  constructor(
    code: string,
    message: string,
    more?: ErrorOptions & { status?: number; factors?: string[]; retryAfter?: number },
  );
  readonly code: string;
  /** The HTTP status, if the server answered. */
  readonly status?: number;
  /** The second factors that the person has: `totp`, `passkey`, `recovery_code`. */
  readonly factors?: string[];
  /** Seconds to wait. */
  readonly retryAfter?: number;
}

/** Make a client. */
export declare function createClient(options?: ClientOptions): Client;
