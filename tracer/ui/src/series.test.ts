import { expect, test } from "vitest";
import { path, Series, STEPS } from "./series";

test("a series moves on by the seconds that passed", () => {
  const series = new Series();
  series.push(100, new Map([["all", 5]]));
  series.push(103, new Map([["all", 7]]));
  expect([...series.get("all").slice(-4)]).toEqual([5, 0, 0, 7]);
});

test("the same second twice counts once", () => {
  const series = new Series();
  series.push(100, new Map([["all", 5]]));
  series.push(100, new Map([["all", 9]]));
  expect([...series.get("all").slice(-2)]).toEqual([0, 5]);
});

test("what has been at rest all the time is forgotten", () => {
  const series = new Series();
  series.push(1000, new Map([["node a", 5]]));
  series.push(1001 + STEPS, new Map());
  expect(series.keys()).toEqual([]);
});

test("the past that a server remembers stands before what the page saw", () => {
  const series = new Series();
  series.push(100, new Map([["all", 5]]));
  series.push(101, new Map([["all", 6]]));
  series.restore(100, { all: [1, 2, 3], "node a": [4] });
  expect([...series.get("all").slice(-4)]).toEqual([1, 2, 5, 6]);
  expect([...series.get("node a").slice(-2)]).toEqual([4, 0]);
  series.restore(103, { all: [9] });
  expect([...series.get("all").slice(-4)]).toEqual([5, 6, 0, 9]);
});

test("nothing that moved draws no line", () => {
  expect(path(new Float64Array(STEPS), 100, 10)).toEqual({ line: "", area: "", peak: 0 });
  expect(path(new Float64Array([0, 4]), 100, 10).line).toBe("M0.0,10.0L100.0,0.0");
});
