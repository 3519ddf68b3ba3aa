/* Selecting documents, and the questions that the server asks before it changes them. */
"use strict";

/* What is ticked, by its id: the list is swapped while documents are being indexed. */
const picked = new Set();
let level = "";

function boxes() {
  return [...document.querySelectorAll("#documents .pick input[name=id]")];
}

function wantsAll() {
  return document.getElementById("pick-all")?.checked ?? false;
}

function showSelection() {
  const counter = document.getElementById("bulk-count");
  if (!counter) return;
  const all = wantsAll();
  const chosen = boxes().filter((box) => box.checked).length;
  counter.textContent = all ? `All ${counter.dataset.total} selected` : chosen ? `${chosen} selected` : "None selected";
  for (const button of document.querySelectorAll("#selection button")) button.disabled = !all && !chosen;
  const page = document.getElementById("pick-page");
  page.hidden = false;
  page.disabled = all;
  page.checked = all || (chosen > 0 && chosen === boxes().length);
  page.indeterminate = !all && chosen > 0 && chosen < boxes().length;
  for (const box of boxes()) box.closest("tr").classList.toggle("is-picked", all || box.checked);
}

/* After a swap: what is still on the page is ticked again, what is not is forgotten. */
function restoreSelection() {
  const shown = new Set(boxes().map((box) => box.value));
  for (const id of picked) if (!shown.has(id)) picked.delete(id);
  showBoxes();
  const choice = document.getElementById("bulk-level");
  if (choice && level) choice.value = level;
}

/* Under "all" each row is shown as ticked, and sent with none. */
function showBoxes() {
  const all = wantsAll();
  for (const box of boxes()) {
    box.checked = all || picked.has(box.value);
    box.disabled = all;
  }
  showSelection();
}

function note(box) {
  if (box.checked) picked.add(box.value);
  else picked.delete(box.value);
}

document.addEventListener("change", ({ target }) => {
  if (target.matches("#pick-page")) {
    for (const box of boxes()) {
      box.checked = target.checked;
      note(box);
    }
  } else if (target.matches("#pick-all")) {
    showBoxes();
    return;
  } else if (target.matches("#bulk-level")) {
    level = target.value;
    return;
  } else if (target.matches("#documents .pick input[name=id]")) {
    note(target);
  } else {
    return;
  }
  showSelection();
});

/* "All" is meant for the list as it stood: a swap by time keeps it, another filter or page does not. */
let keepsAll = false;
document.addEventListener("htmx:beforeSwap", ({ detail }) => {
  if (detail.target.id === "documents") keepsAll = wantsAll() && detail.requestConfig.elt.id === "documents";
});
document.addEventListener("htmx:afterSettle", () => {
  const all = document.getElementById("pick-all");
  if (!all) return;
  all.checked ||= keepsAll;
  keepsAll = false;
  restoreSelection();
});

/* What was done is done: the selection would only be in the way. */
document.addEventListener("documents-changed", () => {
  picked.clear();
  const all = document.getElementById("pick-all");
  if (all) all.checked = false;
});

const dialog = document.getElementById("dialog");
document.addEventListener("htmx:afterSwap", ({ detail }) => {
  if (detail.target === dialog && !dialog.open) dialog.showModal();
});

/* Nothing is swapped away under somebody who is about to choose or to answer. */
document.addEventListener("htmx:beforeRequest", (event) => {
  const isBusy = document.querySelector("dialog[open]") || document.activeElement?.matches("#documents select, #document-level");
  if (isBusy && event.target.matches("[data-polls]")) event.preventDefault();
});

/* Much can take a while: the button says that it works. */
document.addEventListener("submit", ({ target, submitter }) => {
  if (submitter?.dataset.busy && target.method === "post") submitter.textContent = submitter.dataset.busy;
});
restoreSelection();
