/**
 * Why a token was refused, or could not be judged. The README lists every `code`; they are those of `gatepass.verify`.
 */
export class VerifyError extends Error {
  /**
   * @param {string} code
   * @param {string} message For a log: it never holds a token or a claim's value.
   * @param {object} [more] What `challenge` needs: `scope`, `acrValues`, `maxAge`, `retryAfter`, `nonce`; `claim`.
   */
  constructor(code, message, more) {
    super(message);
    this.name = "VerifyError";
    this.code = code;
    Object.assign(this, more);
  }
}

/** @param {string} message */
export const malformed = (message) => new VerifyError("malformed", message);

/** @param {string} claim @param {string} [message] */
export const badClaim = (claim, message = `${claim} has a type that its definition does not allow`) =>
  new VerifyError("bad_claim", message, { claim });

/** @param {string} message */
export const invalidPolicy = (message) => new VerifyError("invalid_policy", message);
