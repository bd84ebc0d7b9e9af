import { useState } from "preact/hooks";
import { rate } from "../format";
import { path, STEPS } from "../series";

const WIDTH = 300;

/** Throughput of the last five minutes as a filled line. */
export function Spark(spark: { sums: Float64Array; height: number; label: string }) {
  const { line, area, peak } = path(spark.sums, WIDTH, spark.height - 2);
  const text = peak > 0 ? `${spark.label}; at most ${rate(peak)}` : `${spark.label}; nothing moved`;
  return (
    <svg class="spark" viewBox={`0 0 ${WIDTH} ${spark.height}`} preserveAspectRatio="none" role="img" aria-label={text}>
      <path class="ground" d={`M0,${spark.height - 1}H${WIDTH}`} />
      {area && <path class="area" d={area} />}
      {line && <path class="line" d={line} />}
    </svg>
  );
}

/** The same with its highest point, and with the speed of the moment that the pointer is on. */
export function Chart(chart: { sums: Float64Array; height: number; label: string }) {
  const [at, setAt] = useState<number | undefined>();
  const peak = Math.max(...chart.sums);
  const follow = (event: PointerEvent) => {
    const box = (event.currentTarget as HTMLElement).getBoundingClientRect();
    setAt(Math.min(STEPS - 1, Math.max(0, Math.round(((event.clientX - box.left) / box.width) * (STEPS - 1)))));
  };
  return (
    <div class="chart" onPointerMove={follow} onPointerLeave={() => setAt(undefined)}>
      <Spark {...chart} />
      {at === undefined ? (
        peak > 0 && <span class="peak">{rate(peak)} at most</span>
      ) : (
        <>
          <i style={{ left: `${(at / (STEPS - 1)) * 100}%` }} />
          <span class="peak">{when(STEPS - 1 - at)}: {rate(chart.sums[at] ?? 0)}</span>
        </>
      )}
    </div>
  );
}

function when(seconds: number): string {
  if (seconds === 0) return "now";
  return seconds < 60 ? `${seconds} s ago` : `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")} min ago`;
}
