/* Uploads: each file is its own request, with its own progress, result and error. Without this file the form is an ordinary one. */
"use strict";

const AT_ONCE = 3;
const REFRESH_MS = 800;
const DONE_MS = 4000;

const form = document.getElementById("upload");
const picker = document.getElementById("upload-files");
const dropzone = document.getElementById("dropzone");
const waiting = [];
const totals = { running: 0, done: 0, failed: 0 };
let refreshTimer = null;

/* The list is asked for again at most once in a while, however many files arrive. */
function refreshDocuments() {
  if (refreshTimer) return;
  refreshTimer = setTimeout(() => {
    refreshTimer = null;
    htmx.trigger(document.body, "documents-changed");
  }, REFRESH_MS);
}

function announce() {
  const left = waiting.length + totals.running;
  const failed = totals.failed ? `, ${totals.failed} failed` : "";
  const text = left ? `Uploading, ${left} to go.` : `${totals.done} uploaded${failed}.`;
  document.getElementById("upload-status").textContent = text;
}

function addRow(name) {
  const row = document.getElementById("upload-row").content.firstElementChild.cloneNode(true);
  row.querySelector(".upload-name").textContent = name;
  row.querySelector("[data-dismiss]").hidden = true;
  document.getElementById("upload-results").append(row);
  showState(row, "Waiting");
  return row;
}

/* What failed goes to the top, where it is seen however many files there are. */
function showState(row, text, outcome = "") {
  if (outcome === "failed") row.parentNode.prepend(row);
  row.querySelector(".upload-state").textContent = text;
  row.dataset.outcome = outcome;
  row.querySelector("progress").hidden = Boolean(outcome);
  row.querySelector("[data-dismiss]").hidden = !outcome;
}

function add(file, path) {
  const row = addRow(path || file.name);
  const limit = Number(form.dataset.maxBytes);
  if (file.size > limit) {
    totals.failed += 1;
    showState(row, `The file is larger than ${Math.floor(limit / 1048576)} MB: split it or upload a smaller one.`, "failed");
    return;
  }
  waiting.push({ file, path, row, level: document.getElementById("upload-level").value });
  startNext();
}

function startNext() {
  while (totals.running < AT_ONCE && waiting.length) send(waiting.shift());
  announce();
}

function send({ file, path, row, level }) {
  const body = new FormData();
  body.append("access_level", level);
  if (path) body.append("path", path);
  body.append("file", file);
  const request = new XMLHttpRequest();
  request.open("POST", form.action);
  request.setRequestHeader("Accept", "application/json");
  request.setRequestHeader("X-CSRFToken", form.elements.csrfmiddlewaretoken.value);
  request.upload.addEventListener("progress", (event) => showProgress(row, event));
  request.addEventListener("loadend", () => finish(row, request));
  totals.running += 1;
  showState(row, "Uploading");
  request.send(body);
}

function showProgress(row, event) {
  if (!event.lengthComputable) return;
  const percent = Math.floor((100 * event.loaded) / event.total);
  row.querySelector("progress").value = percent;
  row.querySelector(".upload-state").textContent = percent < 100 ? `${percent} %` : "Storing";
}

function finish(row, request) {
  totals.running -= 1;
  if (request.status === 202) {
    totals.done += 1;
    showState(row, "Uploaded", "done");
    // The list below shows it from now on; what failed stays until it is dismissed.
    setTimeout(() => row.remove(), DONE_MS);
    refreshDocuments();
  } else {
    totals.failed += 1;
    showState(row, errorOf(request), "failed");
  }
  startNext();
}

function errorOf(request) {
  if (request.status === 0) return "The server could not be reached: check the connection and upload again.";
  try {
    return JSON.parse(request.responseText).error.message;
  } catch {
    if (request.status === 413) return "The file is too large.";
    if (request.status === 403) return "You may not upload here, or you were signed out: reload the page.";
    return `The server answered with an error (${request.status}). The file was not stored.`;
  }
}

/* A dropped folder is walked through; its files keep their path below it. */
async function addEntry(entry) {
  if (entry.isFile) {
    const file = await new Promise((resolve, reject) => entry.file(resolve, reject));
    const path = entry.fullPath.replace(/^\//, "");
    add(file, path === file.name ? "" : path);
    return;
  }
  const reader = entry.createReader();
  let batch;
  do {
    batch = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    for (const child of batch) await addEntry(child);
  } while (batch.length);
}

async function addDropped(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.length) [...transfer.files].forEach((file) => add(file, ""));
  for (const entry of entries) {
    try {
      await addEntry(entry);
    } catch {
      showState(addRow(entry.name), "The browser could not read it: check that it still exists.", "failed");
    }
  }
}

function carriesFiles(event) {
  return event.dataTransfer && [...event.dataTransfer.types].includes("Files");
}

/* The whole page takes drops, so that a near miss does not open the file in the browser. */
addEventListener("dragover", (event) => {
  if (!carriesFiles(event)) return;
  event.preventDefault();
  dropzone.classList.add("is-over");
});
addEventListener("dragleave", (event) => {
  if (!event.relatedTarget) dropzone.classList.remove("is-over");
});
addEventListener("drop", (event) => {
  if (!carriesFiles(event)) return;
  event.preventDefault();
  dropzone.classList.remove("is-over");
  addDropped(event.dataTransfer);
});

picker.addEventListener("change", () => {
  [...picker.files].forEach((file) => add(file, ""));
  picker.value = "";
});
document.getElementById("upload-results").addEventListener("click", (event) => {
  event.target.closest("[data-dismiss]")?.closest("li").remove();
});
addEventListener("beforeunload", (event) => {
  if (waiting.length + totals.running) event.preventDefault();
});

/* The question before a delete is fetched, so that it can say how much goes. */
const dialog = document.getElementById("dialog");
document.body.addEventListener("htmx:afterSwap", (event) => {
  if (event.detail.target === dialog && !dialog.open) dialog.showModal();
});
form.classList.add("is-live");
document.getElementById("upload-submit").hidden = true;
