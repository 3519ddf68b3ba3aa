/* The shell: theme, toasts, dialogs, copying. Everything works by delegation, so that what htmx swaps in works too. */
"use strict";

const TOAST_MS = 6000;
const YEAR_SECONDS = 31536000;

function chooseTheme(choice) {
  document.cookie = `theme=${choice}; path=/; max-age=${YEAR_SECONDS}; samesite=lax`;
  if (choice) document.documentElement.dataset.theme = choice;
  else delete document.documentElement.dataset.theme;
  markTheme();
}

function markTheme() {
  const current = document.documentElement.dataset.theme || "";
  for (const button of document.querySelectorAll("[data-theme-choice]")) {
    button.setAttribute("aria-pressed", String(button.dataset.themeChoice === current));
  }
}

/* Errors stay until they are dismissed. */
function expireToast(toast) {
  if (toast.dataset.level !== "error") setTimeout(() => toast.remove(), TOAST_MS);
}

function showToast({ message, level = "info" }) {
  const template = document.querySelector(`template#toast-${level}`) || document.getElementById("toast-info");
  const toast = template.content.firstElementChild.cloneNode(true);
  toast.querySelector(".toast-text").textContent = message;
  document.getElementById("toasts").append(toast);
  expireToast(toast);
}

async function copyFrom(button) {
  const source = button.dataset.copy
    ? document.querySelector(button.dataset.copy)
    : button.closest(".code-block").querySelector("pre");
  const text = "value" in source ? source.value : source.textContent;
  const label = button.textContent;
  try {
    await navigator.clipboard.writeText(text.trim());
    button.textContent = "Copied";
  } catch {
    getSelection().selectAllChildren(source);
    button.textContent = "Press Ctrl+C";
  }
  setTimeout(() => { button.textContent = label; }, 2000);
}

/* The question itself is the title; what follows its question mark is the small print. */
function ask(question) {
  const dialog = document.getElementById("ask");
  const [title, ...rest] = question.split(/(?<=\?)\s+/);
  dialog.querySelector("h2").textContent = title;
  dialog.querySelector("p").textContent = rest.join(" ");
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true });
  });
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-theme-choice], [data-toast-close], [data-dialog], [data-dialog-close], [data-copy]");
  if (!button) return;
  if ("themeChoice" in button.dataset) chooseTheme(button.dataset.themeChoice);
  else if ("toastClose" in button.dataset) button.closest(".toast").remove();
  else if ("dialog" in button.dataset) document.getElementById(button.dataset.dialog).showModal();
  else if ("dialogClose" in button.dataset) button.closest("dialog").close();
  else copyFrom(button);
});

/* A dialog that the server sends is there to be answered. */
document.addEventListener("htmx:afterSettle", (event) => {
  event.target.querySelectorAll("dialog[data-dialog-now]:not([open])").forEach((dialog) => dialog.showModal());
});

/* A click on the backdrop closes a dialog; a click inside it has the dialog's children as target. */
document.addEventListener("mousedown", (event) => {
  if (event.target instanceof HTMLDialogElement) event.target.close();
});

/* A form that is sent twice would do its work twice. */
document.addEventListener("submit", (event) => {
  if (event.defaultPrevented || event.target.method !== "post") return;
  for (const button of event.target.querySelectorAll("button[type=submit]")) {
    setTimeout(() => { button.disabled = true; });
  }
});
addEventListener("pageshow", (event) => {
  if (!event.persisted) return;
  for (const button of document.querySelectorAll("form button:disabled")) button.disabled = false;
});

/* From the server: the header HX-Trigger with {"toast": {"message": "…", "level": "success"}}. */
document.addEventListener("toast", (event) => showToast(event.detail));
document.addEventListener("htmx:sendError", () => {
  showToast({ message: "The server cannot be reached. Check the connection and try again.", level: "error" });
});
document.addEventListener("htmx:responseError", (event) => {
  showToast({ message: `The server answered with an error (${event.detail.xhr.status}). Reload the page and try again.`, level: "error" });
});
document.addEventListener("htmx:confirm", async (event) => {
  if (!event.detail.question) return;
  event.preventDefault();
  if (await ask(event.detail.question)) event.detail.issueRequest(true);
});

markTheme();
document.querySelectorAll("#toasts .toast").forEach(expireToast);
