import { expect, test } from "vitest";
import { ago, bytes, bytesOf, duration, imageParts, percent, rate, shortDigest } from "./format";

test.each([
  [0, "0 B"],
  [1023, "1023 B"],
  [1024, "1.0 KiB"],
  [17_308_090, "16.5 MiB"],
  [150 * 1024 * 1024, "150 MiB"],
  [3 * 1024 ** 5, "3072 TiB"],
])("%d bytes read %s", (count, text) => expect(bytes(count)).toBe(text));

test.each([
  [5_767_168, 17_308_090, "5.5 of 16.5 MiB"],
  [512, 17_308_090, "512 B of 16.5 MiB"],
  [0, 0, "0 of 0 B"],
])("%d of %d bytes read %s", (part, whole, text) => expect(bytesOf(part, whole)).toBe(text));

test.each([
  [2, "just now"],
  [59, "59 s ago"],
  [3900, "1 h ago"],
])("%d seconds before now are %s", (seconds, text) => expect(ago(seconds)).toBe(text));

test("nothing that moves has no speed", () => expect(rate(0)).toBe("–"));

test.each([
  [0.2, "1 s"],
  [59, "59 s"],
  [200, "3 min 20 s"],
  [3900, "1 h 5 min"],
  [200_000, "2 d 7 h"],
])("%d seconds read %s", (seconds, text) => expect(duration(seconds)).toBe(text));

test("a hundred per cent are all of it", () => {
  expect(percent(99.99)).toBe("99 %");
  expect(percent(100)).toBe("100 %");
});

test.each([
  ["nginx", "", "nginx", ""],
  ["docker.io/library/nginx:1.27", "docker.io", "library/nginx", ":1.27"],
  ["localhost/x", "localhost", "x", ""],
  ["host:5000/a/b:1", "host:5000", "a/b", ":1"],
  ["team/api:2", "", "team/api", ":2"],
  [`quay.io/a@sha256:${"ab".repeat(32)}`, "quay.io", "a", "@abababababab"],
])("%s is cut where the registry ends", (image, registry, repository, tag) => {
  expect(imageParts(image)).toEqual({ registry, repository, tag });
});

test("a digest is short without its algorithm", () => expect(shortDigest(`sha256:${"12".repeat(32)}`)).toBe("121212121212"));
