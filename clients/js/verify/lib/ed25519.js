// Keys of Ed25519 that WebCrypto takes, and nobody may have: one signature of a point of small order fits all messages.

import { VerifyError } from "./errors.js";

/** The y of every point whose eightfold is the neutral one (RFC 8032 §5.1), little-endian. */
const SMALL_ORDER = [
  `01${"00".repeat(31)}`,
  "00".repeat(32),
  `ec${"ff".repeat(30)}7f`,
  "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
  "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
];

/** @param {Uint8Array} octets y, with the sign of x in the topmost bit, which does not matter here. */
export function checkPoint(octets) {
  const y = [...octets.subarray(0, 31), octets[31] & 127].map((octet) => octet.toString(16).padStart(2, "0")).join("");
  const isReduced = !/^(e[d-f]|f.)(ff){30}7f$/.test(y); // below 2^255 - 19
  if (!isReduced || SMALL_ORDER.includes(y)) throw new VerifyError("weak_key", "the point is of small order");
}
