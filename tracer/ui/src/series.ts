// Throughput over the last minutes, in steps of a second, for the whole, each node and each registry.

export const STEPS = 300;

/** Sums of a second each; the last one is now. */
export class Series {
  private readonly sums = new Map<string, Float64Array>();
  private last = 0;

  /** Adds what moves now; called once a second with the present rates. */
  push(second: number, rates: Map<string, number>): void {
    const steps = this.last === 0 ? 1 : Math.min(STEPS, Math.max(0, second - this.last));
    if (steps === 0) return;
    this.last = second;
    for (const key of rates.keys()) if (!this.sums.has(key)) this.sums.set(key, new Float64Array(STEPS));
    for (const [key, sums] of this.sums) {
      sums.copyWithin(0, steps);
      sums.fill(0, STEPS - steps);
      sums[STEPS - 1] = rates.get(key) ?? 0;
      if (!rates.has(key) && sums.every((sum) => sum === 0)) this.sums.delete(key);
    }
  }

  /** Puts the past before what was seen here: of each second the larger one counts, for this page may have missed it. */
  restore(until: number, past: Record<string, number[]>): void {
    if (until > this.last) this.push(until, new Map());
    const behind = this.last - until;
    for (const [key, values] of Object.entries(past)) {
      const sums = this.get(key);
      values.forEach((value, index) => {
        const place = STEPS - behind - values.length + index;
        if (place >= 0 && place < STEPS) sums[place] = Math.max(sums[place] ?? 0, value);
      });
      this.sums.set(key, sums);
    }
  }

  get(key: string): Float64Array {
    return this.sums.get(key) ?? new Float64Array(STEPS);
  }

  keys(): string[] {
    return [...this.sums.keys()];
  }
}

/** The points of a filled line in a box, as an SVG path; empty when nothing moved. */
export function path(sums: Float64Array, width: number, height: number): { line: string; area: string; peak: number } {
  const peak = Math.max(...sums);
  if (peak <= 0) return { line: "", area: "", peak: 0 };
  const step = width / (sums.length - 1);
  const points = Array.from(sums, (sum, index) => `${(index * step).toFixed(1)},${(height - (sum / peak) * height).toFixed(1)}`);
  return { line: `M${points.join("L")}`, area: `M0,${height}L${points.join("L")}L${width},${height}Z`, peak };
}
