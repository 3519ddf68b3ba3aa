/* Fills a slug from a name until somebody writes a slug of their own. */
"use strict";

function slugOf(name) {
  return name
    .normalize("NFKD")
    .toLowerCase()
    .replace(/ß/g, "ss")
    .replace(/\p{M}/gu, "")
    .replace(/[^a-z0-9]+/g, "-")
    .replace(/^[^a-z]+/, "")
    .slice(0, 40)
    .replace(/-+$/, "");
}

for (const slug of document.querySelectorAll("[data-slug-from]")) {
  const name = document.getElementById(slug.dataset.slugFrom);
  let isOwn = slug.value !== "" && slug.value !== slugOf(name.value);
  slug.addEventListener("input", () => { isOwn = slug.value !== ""; });
  name.addEventListener("input", () => { if (!isOwn) slug.value = slugOf(name.value); });
}
