import { expect, test } from "vitest";
import type { Pull } from "./model";
import { compare, fromAddress, matches, START, toAddress, type View } from "./view";

function pull(change: Partial<Pull>): Pull {
  return {
    id: "a",
    nodeName: "worker-1",
    imageRef: "docker.io/library/nginx:1.27",
    totalBytes: 0,
    downloadedBytes: 0,
    bytesPerSec: 0,
    percent: 0,
    layerCount: 0,
    layersDone: 0,
    startedAt: "2026-01-01T00:00:00Z",
    totalKnown: true,
    phase: "downloading",
    nameConfidence: "exact",
    source: "lease",
    registry: "docker.io",
    pods: [{ namespace: "shop", podName: "web-1", container: "app" }],
    ...change,
  };
}

const view = (change: Partial<View>): View => ({ ...START, ...change });

test("an address brings back what it was made from", () => {
  const shown = view({ room: "nodes", search: "a b&c", state: "failed", registry: "host:5000", order: "speed", descending: true, open: "n@1" });
  expect(fromAddress(toAddress(shown))).toEqual(shown);
  expect(toAddress(START)).toBe("");
});

test("an address with nonsense shows the start", () => {
  expect(fromAddress("?view=cellar&sort=-colour")).toEqual(START);
});

test.each([
  [{ search: "NGINX web" }, true],
  [{ search: "nginx worker-2" }, false],
  [{ search: "rate-lim" }, false],
  [{ state: "active" }, true],
  [{ state: "failed" }, false],
  [{ namespace: "shop", node: "worker-1", registry: "docker.io" }, true],
  [{ namespace: "other" }, false],
])("%o lets a pull pass: %s", (change, passes) => {
  expect(matches(pull({}), view(change))).toBe(passes);
});

test("what runs stands before what failed, and that before what is done", () => {
  const pulls = [pull({ id: "1", phase: "done" }), pull({ id: "2", phase: "failed" }), pull({ id: "3", phase: "unpacking" }), pull({ id: "4", phase: "queued" })];
  expect(pulls.sort(compare(START)).map((pull) => pull.id)).toEqual(["3", "4", "2", "1"]);
});

test("a queue stands in its order, the rest with the newest first", () => {
  const at = (id: string, phase: Pull["phase"], second: number) => pull({ id, phase, startedAt: `2026-01-01T00:00:0${second}Z` });
  const pulls = [at("late", "queued", 3), at("new", "downloading", 5), at("early", "queued", 1), at("old", "downloading", 0)];
  expect(pulls.sort(compare(START)).map((pull) => pull.id)).toEqual(["new", "old", "early", "late"]);
});

test("equal pulls stand in the same order every time", () => {
  const pulls = [pull({ id: "2" }), pull({ id: "1" }), pull({ id: "3" })];
  for (const descending of [false, true]) {
    const order = pulls.toSorted(compare(view({ order: "node", descending }))).map((pull) => pull.id);
    expect(order).toEqual(["1", "2", "3"]);
  }
});
