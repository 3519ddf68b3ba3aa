/* Draws every figure[data-chart]. The numbers come as JSON; the words of a tooltip and the address
   behind a bar are those of the table below it, and the colours those of the legend. */

const Chart = window.Chart;
const CROWDED = 40;
const MARKS_IN_A_CROWD = 12;
const LONGEST_NAME = 22;
const drawn = new Map();
const font = () => `11px ${Chart.defaults.font.family}`;
const lessMotion = matchMedia("(prefers-reduced-motion: reduce)");

function tokens(figure) {
  const style = getComputedStyle(figure.querySelector(".chart-plot"));
  const swatches = [...figure.querySelectorAll(".chart-swatch")];
  return {
    text: style.color,
    strong: getComputedStyle(figure).color,
    line: style.borderTopColor,
    surface: style.backgroundColor,
    series: swatches.map((swatch) => getComputedStyle(swatch).color),
  };
}

const faint = (colour) => Chart.helpers.color(colour).alpha(0.6).rgbString();
const rowOf = (figure, place) => figure.querySelector("tbody").rows[place];
const linkOf = (figure, place) => rowOf(figure, place)?.querySelector("a");

/* Alone between gaps, a point has no line that would show it. In a crowd some keep their marker. */
function markerSize({ dataset, dataIndex, datasetIndex }) {
  const { data } = dataset;
  if (data[dataIndex - 1] == null && data[dataIndex + 1] == null) return 4;
  if (data.length <= CROWDED) return 3;
  const stride = Math.ceil(data.length / MARKS_IN_A_CROWD);
  return dataIndex % stride === (datasetIndex * 3 + 1) % stride ? 3 : 0;
}

function barDataset(series, colour, surface) {
  const isCrowded = series.values.length > 2 * CROWDED;
  return {
    type: "bar",
    backgroundColor: colour,
    hoverBackgroundColor: colour,
    borderColor: surface,
    borderSkipped: false,
    borderWidth: isCrowded ? 0 : { top: 1 },
    categoryPercentage: isCrowded ? 1 : 0.86,
    barPercentage: isCrowded ? 1 : 0.92,
    maxBarThickness: 40,
    stack: "now",
    order: 2,
  };
}

function lineDataset(series, colour) {
  return {
    type: "line",
    borderColor: colour,
    backgroundColor: colour,
    pointStyle: series.point,
    pointRadius: markerSize,
    pointHoverRadius: 5,
    // A marker at the edge is shown whole.
    clip: 8,
    borderWidth: 2,
    borderDash: series.dash,
    order: 1,
  };
}

function beforeDataset(series, colour, kind) {
  if (kind === "hbar") return { ...barDataset(series, faint(colour)), stack: "before" };
  const line = lineDataset(series, kind === "line" ? faint(colour) : colour);
  return { ...line, borderWidth: 1.5, pointStyle: "circle", pointRadius: ({ dataset, dataIndex }) => (
    dataset.data[dataIndex - 1] == null && dataset.data[dataIndex + 1] == null ? 2.5 : 0), order: 0 };
}

function datasets({ kind, series, before }, colours) {
  const now = series.map((one, place) => {
    const colour = colours.series[place];
    const shape = kind === "line" ? lineDataset(one, colour) : barDataset(one, colour, colours.surface);
    return { label: one.label, data: one.values, ...shape };
  });
  const past = before.map((one, place) => (
    { label: one.label, data: one.values, ...beforeDataset(one, colours.series[series.length + place], kind) }));
  return [...now, ...past];
}

/* The densest choice of times whose labels fit side by side. */
function placesThatFit(chart, { levels, labels }) {
  const room = chart.width - 64;
  const widest = (level) => Math.max(...level.map((place) => chart.ctx.measureText(labels[place]).width)) + 12;
  chart.ctx.font = font();
  const found = levels.find((level) => level.length * widest(level) <= room);
  if (found) return found;
  // Names have no levels: as many of them as fit.
  const last = levels[levels.length - 1] ?? labels.map((_, place) => place);
  const stride = Math.ceil((last.length * widest(last)) / room);
  return last.filter((_, place) => place % stride === 0);
}

function timeScale(config, colours) {
  return {
    offset: config.kind === "bar" || config.labels.length === 1,
    grid: { display: false },
    border: { color: colours.line },
    stacked: config.kind === "bar",
    ticks: { color: colours.text, autoSkip: false, maxRotation: 0 },
    afterBuildTicks: (scale) => {
      scale.ticks = placesThatFit(scale.chart, config).map((value) => ({ value }));
    },
  };
}

function nameScale(config, colours) {
  const short = (name) => (name.length > LONGEST_NAME ? `${name.slice(0, LONGEST_NAME - 1)}…` : name);
  return {
    grid: { display: false },
    border: { color: colours.line },
    stacked: true,
    ticks: { color: colours.strong, autoSkip: false, callback: (_, place) => short(config.labels[place]) },
  };
}

function valueScale({ axis, kind }, colours) {
  const labels = new Map(axis.ticks);
  const values = axis.ticks.map(([value]) => ({ value }));
  return {
    min: axis.low,
    max: axis.high,
    stacked: kind !== "line",
    grid: { color: colours.line, drawTicks: false },
    border: { display: false },
    ticks: { color: colours.text, padding: 8, autoSkip: false, maxRotation: 0, callback: (value) => labels.get(value) },
    afterBuildTicks: (scale) => {
      const isNarrow = kind === "hbar" && scale.chart.width < 420;
      scale.ticks = isNarrow ? values.filter((_, place) => place % 2 === 0) : [...values];
    },
  };
}

function tooltip(figure, config, colours) {
  const count = config.series.length;
  /* Between the series and those of the period before, the table may have a column of totals. */
  const columnOf = (place) => 1 + place + (place >= count && config.has_total ? 1 : 0);
  const cell = (row, column) => rowOf(figure, row).cells[column].textContent;
  return {
    backgroundColor: colours.surface,
    borderColor: colours.text,
    borderWidth: 1,
    titleColor: colours.strong,
    bodyColor: colours.strong,
    footerColor: colours.text,
    footerFont: { weight: "normal" },
    padding: 10,
    boxPadding: 4,
    usePointStyle: config.kind === "line",
    yAlign: "center",
    caretPadding: 6,
    itemSort: (one, other) => one.datasetIndex - other.datasetIndex,
    callbacks: {
      title: ([item]) => cell(item.dataIndex, 0),
      afterTitle: ([item]) => (config.has_total ? `Total: ${cell(item.dataIndex, count + 1)}` : ""),
      label: (item) => `${item.dataset.label}: ${cell(item.dataIndex, columnOf(item.datasetIndex))}`,
      labelColor: ({ dataset: { backgroundColor } }) => ({ backgroundColor, borderColor: backgroundColor }),
      footer: ([item]) => (linkOf(figure, item.dataIndex) ? `Click for ${config.link_words}` : ""),
    },
  };
}

/* A finger has no hovering: its first tap shows the figures, its second goes where a click goes. */
function follower(figure) {
  let touched = null;
  return ({ native, type }, elements) => {
    if (!elements.length || type !== "click") return;
    const place = elements[0].index;
    const isFirstTap = native.pointerType === "touch" && touched !== place;
    touched = place;
    if (isFirstTap) return;
    const { ctrlKey, metaKey, shiftKey } = native;
    linkOf(figure, place)?.dispatchEvent(
      new MouseEvent("click", { ctrlKey, metaKey, shiftKey, bubbles: true, cancelable: true }));
  };
}

/* Beside each bar of a top list its figure, as the table writes it. */
const figureOf = (figure, place) => rowOf(figure, place).cells[1].textContent;
const hasFigures = ({ kind, series, before }) => kind === "hbar" && series.length + before.length === 1;

function roomForFigures(figure, { labels }) {
  const context = figure.querySelector("canvas").getContext("2d");
  context.font = font();
  return Math.max(...labels.map((_, place) => context.measureText(figureOf(figure, place)).width)) + 10;
}

const barFigures = (figure, colours) => ({
  id: "figures",
  afterDatasetsDraw: (chart) => {
    Object.assign(chart.ctx, { fillStyle: colours.strong, font: font(), textBaseline: "middle", textAlign: "left" });
    chart.getDatasetMeta(0).data.forEach((bar, place) => {
      chart.ctx.fillText(figureOf(figure, place), bar.x + 6, bar.y);
    });
  },
});

function options(figure, config, colours, isAnimated) {
  const across = config.kind === "hbar";
  const plot = figure.querySelector(".chart-plot");
  return {
    animation: isAnimated && !lessMotion.matches ? { duration: 250 } : false,
    responsive: true,
    maintainAspectRatio: false,
    layout: { padding: { right: hasFigures(config) ? roomForFigures(figure, config) : 0 } },
    indexAxis: across ? "y" : "x",
    interaction: { mode: "index", axis: across ? "y" : "x", intersect: false },
    scales: across
      ? { x: valueScale(config, colours), y: nameScale(config, colours) }
      : { x: timeScale(config, colours), y: valueScale(config, colours) },
    plugins: { legend: { display: false }, tooltip: tooltip(figure, config, colours) },
    onClick: follower(figure),
    onHover: (_, elements) => plot.classList.toggle("is-link", Boolean(elements.length && linkOf(figure, elements[0].index))),
  };
}

function draw(figure, isAnimated) {
  const config = JSON.parse(figure.querySelector("script[type='application/json']").textContent);
  const colours = tokens(figure);
  Chart.defaults.font = { ...Chart.defaults.font, size: 11, family: getComputedStyle(document.body).fontFamily };
  drawn.set(figure, new Chart(figure.querySelector("canvas"), {
    data: { labels: config.labels, datasets: datasets(config, colours) },
    options: options(figure, config, colours, isAnimated),
    plugins: hasFigures(config) ? [barFigures(figure, colours)] : [],
  }));
}

/* The table says the same as the picture, so it is opened in the picture's place. */
function drawOrExplain(figure, isAnimated) {
  try {
    draw(figure, isAnimated);
  } catch (error) {
    figure.querySelector("canvas").hidden = true;
    figure.querySelector(".chart-plot").classList.add("is-failed");
    figure.querySelector(".chart-failed").hidden = false;
    figure.querySelector("details").open = true;
    console.error(error);
  }
}

function clear(figure) {
  drawn.get(figure)?.destroy();
  drawn.delete(figure);
}

function drawNew() {
  [...drawn.keys()].filter((figure) => !figure.isConnected).forEach(clear);
  for (const figure of document.querySelectorAll("[data-chart]")) {
    if (!drawn.has(figure)) drawOrExplain(figure, true);
  }
}

function redrawAll() {
  for (const figure of [...drawn.keys()]) {
    clear(figure);
    drawOrExplain(figure, false);
  }
}

drawNew();
document.addEventListener("htmx:load", drawNew);
document.addEventListener("htmx:afterSettle", drawNew);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redrawAll);
/* Paper is white, whatever the screen is. */
let themeOfScreen;
addEventListener("beforeprint", () => {
  themeOfScreen = document.documentElement.dataset.theme;
  document.documentElement.dataset.theme = "light";
});
addEventListener("afterprint", () => {
  if (themeOfScreen) document.documentElement.dataset.theme = themeOfScreen;
  else delete document.documentElement.dataset.theme;
});
new MutationObserver(redrawAll).observe(document.documentElement, { attributeFilter: ["data-theme"] });
