// Server-sent events, whole and in pieces.

import assert from "node:assert/strict";
import { test } from "node:test";

import { MessageTooLong, Parser } from "../../../clients/js/verify/lib/following/sse.js";

const TEXT =
  "\ufeffevent: hello\ndata: {}\n\n: a comment\r\n\r\nid: 1\rdata: one\rdata:two\r\rdata\n\nevent: lost\n\nretry: 5\ndata: é€😀\n\n";
const MESSAGES = [
  { event: "hello", data: "{}" },
  { event: "", data: "a comment" },
  { event: "message", data: "one\ntwo" },
  { event: "message", data: "" },
  { event: "message", data: "é€😀" },
];

test("a stream means the same however it is cut", () => {
  const octets = Buffer.from(TEXT);
  for (let size = 1; size <= octets.length; size++) {
    const parser = new Parser();
    const found = [];
    for (let at = 0; at < octets.length; at += size) found.push(...parser.feed(octets.subarray(at, at + size)));
    assert.deepEqual(found, MESSAGES, `in pieces of ${size}`);
  }
});

test("a message that is not ended says nothing, and one without end is refused", () => {
  assert.deepEqual([...new Parser().feed(Buffer.from("data: x\n"))], []);
  for (const text of ["data: " + "a".repeat(30), "data: aaaaaaa\n".repeat(3), ":" + "a".repeat(30)]) {
    assert.throws(() => [...new Parser(20).feed(Buffer.from(text))], MessageTooLong);
  }
});
