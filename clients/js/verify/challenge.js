// The `Authorization` header of a request, and the response to what was refused.

export { challenge, credentials } from "./lib/challenge.js";
