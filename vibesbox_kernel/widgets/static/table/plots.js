const SPARK_POINTS = 60;

// A line over the last minute.
const makeSpark = () => {
  const svg = shape("svg", { class: "vb-spark", viewBox: "0 0 60 16", preserveAspectRatio: "none", "aria-hidden": "true" });
  const line = shape("polyline", { points: "", "vector-effect": "non-scaling-stroke" });
  svg.append(line);
  return { svg, line };
};
const drawSpark = (spark, values, most) => {
  const highest = Math.max(most, ...values);
  const first = SPARK_POINTS - values.length;
  const points = values.map((value, index) => `${first + index},${(15 - (14 * value) / highest).toFixed(1)}`);
  setAttribute(spark.line, "points", points.join(" "));
};

// One plot of a session's life.
const makePlot = (title, words) => {
  const figure = element("figure", "vb-plot");
  const caption = element("figcaption");
  const svg = shape("svg", { viewBox: "0 0 240 60", preserveAspectRatio: "none", role: "img" });
  const area = shape("polygon", { points: "" });
  const line = shape("polyline", { points: "", "vector-effect": "non-scaling-stroke" });
  svg.append(area, line);
  figure.append(caption, svg);
  const draw = (at, values) => {
    const highest = Math.max(1e-9, ...values);
    const now = values.length ? values[values.length - 1] : 0;
    const end = at.length ? at[at.length - 1] : 1;
    const said = `${title}: ${words(now)}, at most ${words(values.length ? highest : 0)}, over ${duration(end)}`;
    setText(caption, said);
    setAttribute(svg, "aria-label", said);
    const x = (seconds) => ((240 * seconds) / (end || 1)).toFixed(1); // all that is known may be of its first moment
    const point = (value, index) => `${x(at[index])},${(59 - (56 * value) / highest).toFixed(1)}`;
    const points = values.map(point);
    setAttribute(line, "points", points.join(" "));
    setAttribute(area, "points", points.length ? `${x(at[0])},60 ${points.join(" ")} 240,60` : "");
  };
  return { figure, draw };
};
