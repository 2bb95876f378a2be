// The shared cases: what a verifier says of tokens (verifier.json).

import assert from "node:assert/strict";
import { test } from "node:test";

import { Verifier, VerifyError, vectors } from "./support.mjs";

const { issuer, audience, now, jwks, cases } = vectors("verifier");

const camel = (name) => name.replace(/_([a-z])/g, (_, letter) => letter.toUpperCase());

/** @param {Record<string, any>} policy */
function verifierOf({ dpop_required: required = false, ...policy } = {}) {
  const given = Object.fromEntries(Object.entries(policy).map(([name, value]) => [camel(name), value]));
  return new Verifier({ issuer, audience, keys: jwks, clock: () => now, dpop: { required }, ...given });
}

/** One for each policy, unless it remembers proofs. @type {Map<string, Verifier>} */
const verifiers = new Map();

/** @param {{ policy?: object, dpop?: object }} aCase */
function verifierFor({ policy, dpop }) {
  if (dpop) return verifierOf(policy);
  const name = JSON.stringify(policy);
  if (!verifiers.has(name)) verifiers.set(name, verifierOf(policy));
  return verifiers.get(name);
}

/** @param {any} value */
const sorted = (value) => (Array.isArray(value) && value[0] !== "pwd" ? [...value].sort() : value);

test("every token is judged as the file says", async () => {
  const wrong = [];
  for (const { name, token, times = 1, policy, dpop, error, principal } of cases) {
    const told = await verifierFor({ policy, dpop })
      .verify(token.repeat(times), dpop)
      .catch((refused) => refused);
    if (told instanceof VerifyError) {
      if (told.code !== error) wrong.push([name, told.code, error]);
    } else if (told instanceof Error) {
      wrong.push([name, told.stack]);
    } else {
      for (const [member, value] of Object.entries(principal ?? { error })) {
        try {
          assert.deepEqual(sorted(told[camel(member)]), value);
        } catch {
          wrong.push([name, member, told[camel(member)], value]);
        }
      }
    }
  }
  assert.deepEqual(wrong, []);
});
