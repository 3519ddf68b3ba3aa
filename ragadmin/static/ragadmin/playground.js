/* The playground: asks over the stream and shows the answer as it comes. */

import { ask } from "./ask.js";
import { Turn } from "./turn.js";

const STOPPED = "Stopped. What came so far is kept with the trace.";

const form = document.getElementById("question-form");
const box = document.getElementById("question");
const turns = document.getElementById("turns");
const stopButton = document.getElementById("stop");
const sendButton = document.getElementById("send");
const status = document.getElementById("playground-status");
const { documents, traces, playground, conversations } = form.dataset;
/* Of the trace that is asked again, if any: they hold for all questions of the page. */
const options = JSON.parse(document.getElementById("options").textContent);
const again = new URLSearchParams(location.search).get("again");
let conversation = form.dataset.conversation;
let running = null;

function joinConversation(id) {
  if (!id || id === conversation) return;
  conversation = id;
  history.replaceState(null, "", `${playground}?conversation=${id}${again ? `&again=${again}` : ""}`);
  listConversations();
}

function listConversations() {
  const card = document.getElementById("conversations-card");
  return htmx.ajax("GET", `${conversations}?conversation=${conversation}`, { source: card, target: card, swap: "outerHTML" });
}

function setRunning(controller) {
  running = controller;
  stopButton.hidden = !controller;
  sendButton.hidden = Boolean(controller);
}

async function stream(turn, useCache, signal) {
  const body = { use_cache: true, ...options, question: turn.question, conversation_id: conversation || null };
  if (!useCache) body.use_cache = false;
  for await (const event of ask(form.action, form.elements.csrfmiddlewaretoken.value, body, { signal })) {
    turn.take(event);
    if (event.name === "status") joinConversation(event.data.conversation_id);
    if (event.name === "done") await end(turn, event.data);
  }
}

async function end(turn, answer) {
  const count = answer.citations.length;
  status.textContent = answer.abstained
    ? "The documents hold no answer to this."
    : `The answer is complete, with ${count} source${count === 1 ? "" : "s"}.`;
  await Promise.all([turn.showEnd(traces, answer.id), listConversations()]);
}

/* `useCache` false asks the model again, whatever is kept. */
async function begin(question, useCache = true) {
  if (running || !question.trim()) return;
  const controller = new AbortController();
  const turn = Turn.begin(question.trim(), documents);
  document.getElementById("start")?.remove();
  turns.append(turn.node);
  setRunning(controller);
  turn.showStage("Asking…");
  status.textContent = "Asking.";
  turn.node.scrollIntoView({ block: "start" });
  try {
    await stream(turn, useCache, controller.signal);
  } catch (error) {
    if (error.name === "AbortError") error = { message: STOPPED };
    turn.fail(error);
    if (error.answerId) await turn.showEnd(traces, error.answerId);
  } finally {
    setRunning(null);
  }
}

function send() {
  if (running) return;
  begin(box.value);
  box.value = "";
}

function askAgain(turn) {
  if (running) return;
  turn.remove();
  begin(turn.querySelector(".turn-question").textContent);
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  send();
});
box.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  send();
});
stopButton.addEventListener("click", () => {
  running?.abort();
  box.focus();
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.closest("input, textarea, select, [contenteditable]")) return;
  event.preventDefault();
  box.focus();
});
document.addEventListener("click", ({ target }) => {
  const suggestion = target.closest("[data-question]");
  const turn = target.closest(".turn");
  if (suggestion) {
    box.focus();
    begin(suggestion.dataset.question);
  } else if (target.closest("[data-retry]")) askAgain(turn);
  else if (target.closest("[data-fresh]")) begin(turn.querySelector(".turn-question").textContent, false);
});

for (const earlier of JSON.parse(document.getElementById("earlier-turns").textContent)) {
  const turn = new Turn(document.getElementById(`turn-${earlier.id}`), documents);
  turn.complete(earlier);
  if (earlier.withheld) turn.fail({ message: "This answer drew on documents that you may no longer read." });
  else if (earlier.error) turn.fail({ message: earlier.error });
  else if (earlier.status === "cancelled") turn.fail({ message: "This answer was stopped before it was complete." });
}
turns.lastElementChild?.scrollIntoView({ block: "start" });
