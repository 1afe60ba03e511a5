import { expect, test } from "vitest";
import { logOfCopy, logOfGreeting, logOfNote } from "../../../../src/store/replica/replica-log.ts";

const LOG = "50fc02d3-150f-4694-93a6-e83c19d3a838";

test("the note beside a copy and the server's greeting name the same log", () => {
  // Both as a libSQL server 0.24.32 and libsql 0.5.29 wrote them.
  const note = Buffer.from("38a8d3193ce8a69394460f15d302fc5028000000000000000000000000000000", "hex");
  const greeting = Buffer.from(
    `\0\0\0\0\u009a\n$ae8dc60b-a2e5-44cf-89a9-076dfc1ae5f0\u001a$${LOG}"$bb1ac49d-4e02-dbe3-9259-4ff111184b0e((`,
    "latin1",
  );

  expect(logOfNote(note)).toBe(LOG);
  expect(logOfGreeting(greeting)).toBe(LOG);
});

test("what cannot be read names none", () => {
  expect(logOfGreeting(Buffer.from("grpc-status:14"))).toBeUndefined();
  expect(logOfCopy("/nowhere/fleet.db")).toBeUndefined();
});
