// Files and clocks that the tests share.

import { readFileSync } from "node:fs";

export * from "../../../clients/js/verify/challenge.js";
export * from "../../../clients/js/verify/index.js";

const ROOT = new URL("../../../", import.meta.url);

/** @param {string} path */
const read = (path) => JSON.parse(readFileSync(new URL(path, ROOT), "utf8"));

/** @param {string} name */
export const vectors = (name) => read(`docs/protocol/vectors/${name}.json`);

/** The examples of an RFC. @param {string} name */
export const examples = (name) => read(`tests/vectors/${name}.json`);

/** The code of a refusal, or what came in its place. @param {() => unknown} call */
export async function codeOf(call) {
  try {
    return await call();
  } catch (error) {
    if (!error?.code) throw error;
    return error.code;
  }
}
