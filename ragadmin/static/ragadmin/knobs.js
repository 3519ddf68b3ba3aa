/* The controls of settings that are tried: what they say, and what of it differs from what is saved. */

const knobsOf = (root) => [...root.querySelectorAll("[data-knob]")];

function raw(knob) {
  if (knob.type === "checkbox") return knob.checked ? "on" : "off";
  return knob.value;
}

function same(knob, value) {
  const now = raw(knob);
  return now === value || (knob.type === "number" && now !== "" && value !== "" && Number(now) === Number(value));
}

function put(knob, value) {
  if (knob.type === "checkbox") knob.checked = value === "on";
  else knob.value = value;
}

function typed(knob) {
  if (knob.type === "checkbox") return knob.checked;
  if (knob.type !== "number") return knob.value;
  return knob.value === "" ? null : Number(knob.value);
}

export function settings(root) {
  return Object.fromEntries(knobsOf(root).map((knob) => [knob.dataset.knob, typed(knob)]));
}

export const changed = (root) => knobsOf(root).filter((knob) => !same(knob, knob.dataset.saved));

/* What differs, for the address; a control's name tells its side. */
export const addressOf = (root) => changed(root).map((knob) => [knob.name, raw(knob)]);

export function isValid(root) {
  return knobsOf(root).every((knob) => knob.reportValidity());
}

export function markChanges(root) {
  for (const knob of knobsOf(root)) {
    const row = knob.closest(".knob");
    const differs = !same(knob, knob.dataset.saved);
    row.classList.toggle("is-changed", differs);
    row.querySelector("[data-knob-reset]").hidden = !differs;
  }
}

/* Calls `onChange` after each change, also by the buttons that put something back. */
export function watch(root, onChange) {
  const tell = () => {
    markChanges(root);
    onChange();
  };
  root.addEventListener("input", (event) => event.target.matches("[data-knob]") && tell());
  root.addEventListener("click", ({ target }) => {
    const one = target.closest("[data-knob-reset]");
    const all = target.closest("[data-knobs-reset]");
    if (one) {
      const knob = one.closest(".knob").querySelector("[data-knob]");
      put(knob, knob.dataset.saved);
      knob.focus();
    } else if (all) {
      for (const knob of knobsOf(root)) put(knob, knob.dataset[all.dataset.knobsReset]);
    } else return;
    tell();
  });
  markChanges(root);
}

/* What `root` says is saved now, on every side of the page. */
export function takeAsSaved(root) {
  for (const knob of knobsOf(root)) {
    for (const same of document.querySelectorAll(`[data-knob="${knob.dataset.knob}"]`)) same.dataset.saved = raw(knob);
  }
}
