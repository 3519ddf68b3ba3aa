/* Two settings side by side: both answers stream at once, then their differences are shown. */

import { ask } from "./ask.js";
import { addressOf, changed, isValid, markChanges, settings, takeAsSaved, watch } from "./knobs.js";
import { Turn } from "./turn.js";

const form = document.getElementById("compare-form");
const box = document.getElementById("question");
const status = document.getElementById("playground-status");
const stopButton = document.getElementById("stop");
const sendButton = document.getElementById("send");
const result = document.getElementById("compare-result");
const answers = document.getElementById("compare-answers");
const sides = [...document.querySelectorAll("[data-side]")];
const { documents, traces } = form.dataset;
let running = null;

const own = (side, name) => form.elements[`${side.dataset.side}-${name}`];

function addressOfSide(side) {
  const model = own(side, "model");
  const cache = own(side, "use_cache");
  const more = [...(model.value === "auto" ? [] : [[model.name, model.value]]), ...(cache.checked ? [[cache.name, "on"]] : [])];
  return [...addressOf(side), ...more];
}

function keepInAddress() {
  const question = box.value.trim();
  const query = new URLSearchParams([...(question ? [["q", question]] : []), ...sides.flatMap(addressOfSide)]).toString();
  history.replaceState(null, "", query ? `?${query}` : location.pathname);
}

function showChanged(side) {
  const badge = side.querySelector("[data-changed]");
  const count = changed(side).length;
  badge.hidden = !count;
  badge.textContent = `${count} changed`;
}

/* The id of the recorded answer, also of one that broke off; undefined where nothing was recorded. */
async function answerOn(side, question, signal) {
  const turn = Turn.begin(question, documents);
  document.querySelector(`[data-answer-of="${side.dataset.side}"]`).replaceChildren(turn.node);
  turn.showStage("Asking…");
  const body = { question, stream: true, settings: settings(side), model: own(side, "model").value, use_cache: own(side, "use_cache").checked };
  const options = { signal, headers: { "X-Ragadmin-Tenant": form.dataset.tenant } };
  try {
    for await (const event of ask(form.action, form.elements.csrfmiddlewaretoken.value, body, options)) {
      turn.take(event);
      if (event.name !== "done") continue;
      await turn.showEnd(traces, event.data.id);
      return event.data.id;
    }
  } catch (error) {
    turn.fail(error.name === "AbortError" ? { message: "Stopped." } : error);
    if (error.answerId) await turn.showEnd(traces, error.answerId);
    return error.answerId || undefined;
  }
}

function setRunning(controller) {
  running = controller;
  stopButton.hidden = !controller;
  sendButton.hidden = Boolean(controller);
}

async function run() {
  const question = box.value.trim();
  if (running || !question || !sides.every(isValid)) return;
  setRunning(new AbortController());
  keepInAddress();
  result.replaceChildren();
  answers.hidden = false;
  answers.scrollIntoView({ block: "start" });
  status.textContent = "Asking both.";
  try {
    const [left, right] = await Promise.all(sides.map((side) => answerOn(side, question, running.signal)));
    if (left && right) await showDifferences(left, right);
  } finally {
    setRunning(null);
  }
}

async function showDifferences(left, right) {
  await htmx.ajax("GET", `${form.dataset.result}?left=${left}&right=${right}`, { source: result, target: result, swap: "innerHTML" });
  status.textContent = "Both answers are complete. Their differences are below.";
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  run();
});
box.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  run();
});
stopButton.addEventListener("click", () => running?.abort());
form.addEventListener("change", keepInAddress);
document.addEventListener("click", ({ target }) => {
  if (target.closest("[data-retry]")) run();
});
document.addEventListener("settings-saved", ({ detail }) => {
  takeAsSaved(sides.find((side) => side.dataset.side === detail.place));
  for (const side of sides) {
    markChanges(side);
    showChanged(side);
  }
  keepInAddress();
});
for (const side of sides) {
  watch(side, () => {
    showChanged(side);
    keepInAddress();
  });
  showChanged(side);
  if (side.querySelector(".compare-more .is-changed, .compare-more [name$=use_cache]:checked")) side.querySelector(".compare-more").open = true;
}
