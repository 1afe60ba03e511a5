import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { compareVersions } from "#watchdog";
import { parseVersion, type Version } from "../../../../src/watchdog/update/version.ts";
import { v } from "../../../support/releases.ts";

const label = fc.oneof(fc.nat(99).map(String), fc.constantFrom("alpha", "beta", "rc", "x-y", "0a", "-"));
const versions: fc.Arbitrary<Version> = fc
  .tuple(fc.nat(3), fc.nat(3), fc.nat(3), fc.array(label, { maxLength: 3 }))
  .map(([major, minor, patch, labels]) => {
    const tail = labels.length === 0 ? "" : `-${labels.join(".")}`;
    return v(`${major}.${minor}.${patch}${tail}`);
  });

describe("a version", () => {
  it.each(["0.0.0", "1.2.3", "10.20.30", "1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-0.3.7", "1.0.0-x-y-z.--", "1.0.0-0a"])(
    "is read from %s",
    (text) => {
      expect(parseVersion(text)).toBe(text);
    },
  );

  it.each([
    "",
    "1",
    "1.2",
    "1.2.3.4",
    "v1.2.3",
    "01.2.3",
    "1.02.3",
    "1.2.3-",
    "1.2.3-01",
    "1.2.3-a..b",
    "1.2.3+build",
    "1.2.3 ",
    " 1.2.3",
    "1.2.3\n",
    "../1.2.3",
    "1.2.3-a/b",
    "current",
    "1234567890.0.0",
    `1.2.3-${"a".repeat(64)}`,
  ])("is not read from %j", (text) => {
    expect(parseVersion(text)).toBeUndefined();
  });

  it("is ordered as semver.org says, section 11", () => {
    const ordered = [
      "0.9.9",
      "1.0.0-alpha",
      "1.0.0-alpha.1",
      "1.0.0-alpha.beta",
      "1.0.0-beta",
      "1.0.0-beta.2",
      "1.0.0-beta.11",
      "1.0.0-rc.1",
      "1.0.0",
      "1.0.1",
      "1.2.0",
      "1.10.0",
      "2.0.0",
    ].map(v);

    for (const [index, lower] of ordered.entries()) {
      for (const higher of ordered.slice(index + 1)) {
        expect(compareVersions(lower, higher), `${lower} < ${higher}`).toBeLessThan(0);
        expect(compareVersions(higher, lower), `${higher} > ${lower}`).toBeGreaterThan(0);
      }
    }
  });

  it("has one order: of any three, and equal only to itself", () => {
    fc.assert(
      fc.property(versions, versions, versions, (a, b, c) => {
        expect(Math.sign(compareVersions(a, b))).toBe(-Math.sign(compareVersions(b, a)) + 0);
        expect(compareVersions(a, b) === 0).toBe(a === b);
        const isChain = compareVersions(a, b) <= 0 && compareVersions(b, c) <= 0;
        expect(isChain && compareVersions(a, c) > 0).toBe(false);
      }),
    );
  });
});
