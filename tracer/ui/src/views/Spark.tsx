import { rate } from "../format";
import { path } from "../series";

export function Spark(spark: { sums: Float64Array; width: number; height: number; label: string }) {
  const { line, area, peak } = path(spark.sums, spark.width, spark.height - 2);
  const text = peak > 0 ? `${spark.label}; at most ${rate(peak)}` : `${spark.label}; nothing moved`;
  return (
    <svg class="spark" viewBox={`0 0 ${spark.width} ${spark.height}`} preserveAspectRatio="none" role="img" aria-label={text}>
      <title>{text}</title>
      <path class="ground" d={`M0,${spark.height - 1}H${spark.width}`} />
      {area && <path class="area" d={area} />}
      {line && <path class="line" d={line} />}
    </svg>
  );
}
