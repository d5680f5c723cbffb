// Twenty-four hours as twenty-four bars, the last one still growing.

const SVG = "http://www.w3.org/2000/svg";
const WIDTH = 240;
const HEIGHT = 48;
const GAP = 2;

/** An image of `values`, oldest first, that is called `label`. */
export function sparkline(values, label) {
  const image = drawn("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img" });
  image.setAttribute("class", "spark");
  image.setAttribute("aria-label", label);
  const most = Math.max(1, ...values);
  const step = WIDTH / values.length;
  image.append(
    ...values.map((value, at) => {
      // an hour without any still shows that it was there
      const height = Math.max(1, (Math.max(0, value) / most) * HEIGHT);
      return drawn("rect", { x: at * step, y: HEIGHT - height, width: step - GAP, height });
    }),
  );
  return image;
}

function drawn(name, attributes) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}
